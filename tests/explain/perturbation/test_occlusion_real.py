"""Both engines of occlusion on the real SqueezeNet 1.1; the published grid stands in `test_real_networks`."""

import numpy as np

import cnnviz_jax as cv


def test_windows_equal_whole_images_on_a_real_network(shared_data):
    net = cv.load_model("squeezenet1_1", weights=shared_data / "weights" / "squeezenet1_1.safetensors")
    image = cv.load_image(shared_data / "images" / "cat_dog_both.png", net)
    options = {"target": 243, "window": 48, "stride": 44, "chunk": 8}
    dense, windows = (
        cv.explain("occlusion", net, image, engine=engine, **options) for engine in ("dense", "incremental")
    )
    np.testing.assert_allclose(windows.low_res, dense.low_res, atol=1e-5 * np.abs(dense.scores).max())
    assert dict(cv.explain("occlusion", net, image, **options).provenance.notes)["engine"] == "incremental"
