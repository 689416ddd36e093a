"""Words for models: names, names in a collection, and the user's own factories."""


def test_a_slip_in_the_name_of_a_collection_is_answered_by_near_names(refusal):
    told = refusal("layers", "keras:ResNet5")
    assert told.startswith("no model 'keras:ResNet5'. Did you mean 'keras:ResNet50'")


def test_a_missing_file_of_weights_is_told_with_what_would_do(refusal):
    assert refusal("layers", "resnet18", "--weights", "none.pth") == (
        "no weights at 'none.pth'; give a .safetensors or .pth file, an Orbax folder, or a URL"
    )


def test_a_network_without_weights_says_how_to_get_them(refusal, monkeypatch, tmp_path):
    monkeypatch.setenv("CNNVIZ_CACHE", str(tmp_path))
    assert refusal("layers", "resnet18") == (
        "resnet18 needs weights and none came with this package; pass a file: `--weights FILE`, or"
        " `cnnviz_jax.load_model('resnet18', weights=FILE)`, or fetch the published one by"
        " `cnnviz models --download resnet18`"
    )
