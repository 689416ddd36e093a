"""Specifications as users write them, and every way to get them wrong."""

import pytest

from cnnviz_jax.errors import UsageError
from cnnviz_jax.sweep.errors import SweepUsageError
from cnnviz_jax.sweep.run_options import RunOptions
from cnnviz_jax.sweep.spec import SweepSpec, part_from_words
from tests.sweep import fixtures, harness


def test_toml_and_the_command_lines_words_mean_the_same(tmp_path):
    from_file = SweepSpec.read(harness.written_spec(tmp_path))
    from_words = SweepSpec.read(
        None,
        model="tests.sweep.fixtures:net",
        source="tests.sweep.fixtures:images",
        device_batch=4,
        explain=[part_from_words("smoothgrad samples=3")],
        survey=[
            part_from_words("top-k k=3 layers=conv1,conv2"),
            part_from_words("histogram layers=conv2"),
            part_from_words("moments 'layers=[\"conv2\"]'"),
        ],
    )
    assert from_file == from_words == harness.spec()


def test_a_specification_survives_json():
    import json

    chosen = harness.spec(explain=[{"technique": "saliency", "target": {"layer": "conv2", "channel": 1}}], seed=3)
    assert SweepSpec.from_mapping(json.loads(json.dumps(chosen.as_dict()))) == chosen


def test_options_win_over_the_file(tmp_path):
    assert SweepSpec.read(harness.written_spec(tmp_path), seed=9, limit=5) == harness.spec(seed=9, limit=5)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"device_batches": 4}, "a sweep has no 'device_batches'. Did you mean 'device_batch'?"),
        ({"device_batch": 0}, 'device_batch is "auto" or a whole number, 1 or more, got 0'),
        ({"device_batch": True}, 'device_batch is "auto" or a whole number'),
        ({"inner_chunk": "some"}, 'inner_chunk is "auto" or a whole number'),
        ({"seed": -1}, "seed is a whole number from 0 to"),
        ({"limit": 0}, "limit is a whole number of images, 1 or more, got 0"),
        ({"max_bad": "much"}, "max_bad is a number of images or a share such as 0.1%, got 'much'"),
        ({"max_bad": "200%"}, "max_bad is a number"),
        ({"explain": [], "survey": []}, "nothing to do: name an [[explain]] technique"),
        ({"explain": {"technique": "saliency"}}, "explain is a list of tables: begin each with [[explain]]"),
        ({"explain": [{"samples": 3}]}, "every [[explain]] names its technique"),
        ({"explain": [{"technique": "saliency", "keep": "all"}]}, "keep is auto, values or low_res, got 'all'"),
        ({"explain": [{"technique": "saliency", "dtype": "int8"}]}, "dtype is float16 or float32, got 'int8'"),
        ({"explain": [{"technique": "saliency", "name": "../x"}]}, "name '../x' is not made of letters"),
        ({"explain": [{"technique": "saliency"}] * 2}, "two parts of the sweep are called 'saliency'"),
        ({"model": 3}, "model is a text, got 3"),
    ],
)
def test_mistakes_are_named(change, sentence):
    with pytest.raises(SweepUsageError) as refused:
        harness.spec(**change)
    assert sentence in str(refused.value)


def test_a_source_must_be_named():
    with pytest.raises(SweepUsageError, match="which images"):
        SweepSpec.from_mapping({"model": "shapes"})


def test_files_that_are_no_specification(tmp_path):
    with pytest.raises(SweepUsageError, match="no specification at"):
        SweepSpec.read(tmp_path / "absent.toml")
    (tmp_path / "broken.toml").write_text("model = [")
    with pytest.raises(SweepUsageError, match="is not TOML"):
        SweepSpec.read(tmp_path / "broken.toml")


def test_words_of_a_part():
    assert part_from_words("grad-cam layer=conv3 relu=false target=3 'name=a'") == {
        "technique": "grad-cam",
        "layer": "conv3",
        "relu": False,
        "target": 3,
        "name": "a",
    }
    with pytest.raises(SweepUsageError, match="does not begin with a technique's name"):
        part_from_words("k=3")
    with pytest.raises(SweepUsageError, match="'k' in 'top-k k' is no option=value"):
        part_from_words("top-k k")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"explain": [{"technique": "smoothgard"}]}, "Did you mean 'smoothgrad'"),
        ({"explain": [{"technique": "smoothgrad", "sample": 3}]}, "no option 'sample'"),
        ({"explain": [{"technique": "saliency", "target": 7}]}, "class 7 is out of range"),
        ({"explain": [{"technique": "saliency", "target": "best"}]}, "no class of plain is called 'best'"),
        ({"survey": [{"technique": "top"}]}, "no survey 'top'. Did you mean 'top-k'?"),
        ({"survey": [{"technique": "top-k", "layers": ["conv9"]}]}, "no layer 'conv9'"),
        ({"survey": [{"technique": "top-k", "kk": 3}]}, "unexpected keyword argument 'kk'"),
        ({"survey": [{"technique": "top-k", "k": 0}]}, "k is 1 or more"),
        ({"survey": [{"technique": "tests.sweep.fixtures:images"}]}, "takes 0 positional arguments"),
        ({"survey": [{"technique": "tests.sweep.fixtures:absent"}]}, "cannot be imported"),
        ({"source": "tests.sweep.fixtures:absent"}, "the source 'tests.sweep.fixtures:absent' cannot be imported"),
        ({"source": "nowhere"}, "no source 'nowhere'"),
    ],
)
def test_what_does_not_fit_the_model_is_named(tmp_path, change, sentence):
    with pytest.raises(UsageError) as refused:
        harness.sweep(tmp_path / "run", **change)
    assert sentence in str(refused.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"shard": (3, 3)}, "shard 3/3: shards of 3 run from 0/3 to 2/3"),
        ({"checkpoint_every": "often"}, "ckpt-every is seconds such as 120s or steps such as 50steps, got 'often'"),
        ({"workers": -1}, "workers is 0 or more"),
    ],
)
def test_options_of_a_run(change, sentence):
    with pytest.raises(SweepUsageError) as refused:
        RunOptions(**change)
    assert sentence in str(refused.value)


def test_shares_and_numbers_of_bad_images():
    assert [harness.spec(max_bad=text).allowed_bad(2500) for text in ("0.1%", "7", "0", "100%")] == [2, 7, 0, 2500]


def test_other_targets_than_the_top_class(tmp_path):
    from cnnviz_jax.sweep.store import ExampleStore

    chosen = [
        {"technique": "saliency", "name": "of-label", "target": "label"},
        {"technique": "saliency", "name": "of-two", "target": 2},
        {"technique": "saliency", "name": "of-unit", "target": {"layer": "conv2", "channel": 1, "row": 3, "col": 4}},
        {"technique": "grad-cam", "layer": "conv2", "dtype": "float32"},
    ]
    folder = harness.sweep(tmp_path / "run", limit=6, explain=chosen, survey=[])
    store = ExampleStore.open(folder.examples)
    assert store.read("target/of-label", slice(0, 6)).tolist() == [0, 1, 2, 3, 0, 1]
    assert store.read("target/of-two", slice(0, 6)).tolist() == [2] * 6
    assert "target/of-unit" not in store.arrays
    assert store.specs["heat/grad-cam"].shape == (8, 8)  # the raw map, not the enlarged one
    assert store.specs["heat/grad-cam"].dtype == "float32"
    assert store.specs["heat/of-two"].shape == fixtures.SHAPE
