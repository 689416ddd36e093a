"""What a provenance says is enough to compute its result again, to the last bit, for every kind of technique."""

import dataclasses

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import UsageError
from cnnviz_jax.results.provenance import Call
from tests.explain.fixtures import TECHNIQUES, cheap
from tests.results.every_result import image_file, images, made, model, other_model, six_images, training, twelve_images
from tests.results.test_saving import assert_same

AGAIN = {
    "Attribution": lambda provenance: cv.rerun(provenance, model(), images()),
    "Synthesis": lambda provenance: cv.rerun(provenance, model()),
    "Measurement": lambda provenance: cv.rerun(provenance, model(), images()),
    "Exemplars": lambda provenance: cv.rerun(provenance, model(), images(), labels=[0, 1, 2]),
    "Distributions": lambda provenance: cv.rerun(provenance, model(), images()),
    "Dissection": lambda provenance: cv.rerun(
        provenance, model(), images(), fields={"concepts": images()[..., :2].transpose(0, 3, 1, 2) > 0.5}
    ),
    "FilterBank": lambda provenance: cv.rerun(provenance, model()),
    "FilterVariety": lambda provenance: cv.rerun(provenance, model()),
    "FilterMatch": lambda provenance: cv.rerun(provenance, model()),
    "ReceptiveFields": lambda provenance: cv.rerun(provenance, model()),
    "EffectiveReceptiveField": lambda provenance: cv.rerun(provenance, model()),
    "Convolution": lambda provenance: cv.rerun(provenance, images()[0]),
    "Difference": lambda provenance: cv.rerun(
        provenance, model(), six_images(), b=other_model(), labels=[0, 1, 2, 0, 1, 2]
    ),
    "Drift": lambda provenance: cv.rerun(
        provenance, [model(), other_model(), model()], six_images(), labels=[0, 1, 2, 0, 1, 2]
    ),
    "UnitNames": lambda provenance: cv.rerun(provenance, model(), twelve_images(), labels=[0, 1, 2] * 4),
    "Shortcuts": lambda provenance: cv.rerun(
        provenance, model(), np.tile(twelve_images(), (2, 1, 1, 1)), dictionary=made("Dictionary"), labels=[0, 1, 2] * 8
    ),
    "Evolution": lambda provenance: cv.rerun(provenance, training()),
}


@pytest.mark.parametrize("name", AGAIN)
def test_rerun_gives_the_same_bits_for_every_kind_of_result(name, tmp_path):
    kept = cv.load(cv.save(made(name), tmp_path / "kept.npz"))
    assert_same(AGAIN[name](kept.provenance), made(name))


@pytest.mark.parametrize("name", ["smoothgrad", "rise", "lime", "guided-ig", "grad-cam", "lrp", "occlusion"])
def test_chance_layers_and_options_are_given_again(name):
    assert name in TECHNIQUES
    first = cv.explain(name, model(), images(), [0, 2, 1], key=5, ids=[7, 8, 9], **cheap(name))
    again = cv.rerun(first.provenance, model(), images())
    assert_same(again, first)
    other = cv.explain(name, model(), images(), [0, 2, 1], key=6, ids=[7, 8, 9], **cheap(name))
    assert again.provenance != other.provenance


def test_one_image_of_a_result_is_run_again_alone():
    first = cv.explain("smoothgrad", model(), images(), [0, 2, 1], samples=2, ids=[7, 8, 9])
    assert_same(cv.rerun(first[1].provenance, model(), images()[1:2]).values, first[1].values)


def test_a_comparison_is_made_again_but_for_its_times():
    again = cv.rerun(made("Comparison").provenance, model(), images())
    assert_same(dataclasses.replace(again, elapsed_s={}), dataclasses.replace(made("Comparison"), elapsed_s={}))


def test_synthesis_of_a_target_with_snapshots_and_images_is_done_again():
    start = images()[:1]
    first = cv.synthesize("caricature", model(), layer=_conv(), images=start, steps=2, snapshots=2, key=1)
    assert_same(cv.rerun(first.provenance, model(), start), first)
    with pytest.raises(UsageError, match="caricature was given images, which a provenance does not keep"):
        cv.rerun(first.provenance, model())


def _conv():
    return next(each.name for each in model().layers.values() if each.kind == "conv")


def test_data_that_is_not_kept_is_asked_for_by_name():
    with pytest.raises(UsageError, match="exemplars was given labels, which a provenance does not keep; pass it again"):
        cv.rerun(made("Exemplars").provenance, model(), images())
    unknown = dataclasses.replace(made("Attribution").provenance, call=None)
    with pytest.raises(UsageError, match="does not say how it was called"):
        cv.rerun(unknown, model(), images())


def test_maps_of_ones_own_are_measured_again_with_the_maps():
    maps = np.random.default_rng(0).random((3, 8, 8)).astype(np.float32)
    first = cv.measure("sparseness", model(), images(), maps, 1)
    assert_same(cv.rerun(first.provenance, model(), images(), attribution=maps), first)
    with pytest.raises(UsageError, match="given attribution"):
        cv.rerun(first.provenance, model(), images())


def test_calls_are_equal_if_every_bit_is():
    one, same, other = (Call.of({"target": np.array([0.0, last], np.float32)}, {}) for last in (1, 1, 2))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one.data == ()


def test_the_image_of_a_filter_match_is_named_in_its_options():
    assert made("FilterMatch").provenance.config.image == str(image_file())
