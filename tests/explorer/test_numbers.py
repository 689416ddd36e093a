"""Every number of a site is what `cv` returns for it."""

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import LayerNotFoundError, ResultFileError, UsageError
from cnnviz_jax.similarity import path_similarity
from cnnviz_jax.verbs.synthesis_paths import numbers_of
from tests.explorer.sites import COUNT, HOSTILE, images, labels, made, model


def of(number):
    return np.float32(number)


def surveyed(technique, **options):
    layers = ",".join(made().layers)
    return cv.survey(technique, model(), images(), labels(), layer=layers, batch=4, **options)


@pytest.fixture(scope="module")
def exemplars():
    return surveyed("exemplars", levels=(0.9, 0.75, 0.5), level_k=3)


@pytest.fixture(scope="module")
def distributions():
    return surveyed("distributions", sample=256, positions=4)


def test_the_usual_layers_are_where_units_answer():
    kinds = [model().layers[name].kind for name in made().layers]
    assert kinds == ["relu", "relu", "relu", "dense"]  # behind stem, behind the sum, behind deep, the head


def test_the_strongest_images_of_every_unit_are_those_of_the_survey(exemplars):
    for layer, unit in made().units():
        found, tiles = exemplars[layer], made().unit(layer, unit).tiles("exemplars")
        assert [tile["image"] for tile in tiles] == [number for number in found.id[unit] if number >= 0]
        assert [of(tile["value"]) for tile in tiles] == list(found.value[unit][: len(tiles)])
        assert [tile["box"] for tile in tiles] == found.box[unit][: len(tiles)].tolist()


def test_the_levels_of_every_unit_are_those_of_the_survey(exemplars):
    for layer, unit in made().units():
        found, tiles = exemplars[layer], made().unit(layer, unit).tiles("levels")
        assert [tile["image"] for tile in tiles] == found.level_id[unit].ravel().tolist()
        assert [of(tile["value"]) for tile in tiles] == found.level_value[unit].ravel().tolist()
        assert [tile["box"] for tile in tiles] == found.level_box[unit].reshape(-1, 4).tolist()


def test_rates_quantiles_and_histograms_are_those_of_the_survey(distributions):
    for layer, unit in made().units():
        found, shown = distributions[layer], made().unit(layer, unit)
        facts = shown.facts
        for name, column in (("mean", found.mean), ("deviation", found.deviation), ("maximum", found.maximum)):
            assert facts[name] == pytest.approx(column[unit], rel=1e-6)
        assert facts["share of positions above zero"] == found.fire_rate[unit]
        parts = {part["part"]: part for part in shown.panels["distribution"]}
        if found.count[unit].sum():
            assert sum(parts["histogram"]["counts"]) == found.count[unit].sum() == COUNT * found.positions
            marks = [value for _, value in parts["histogram"]["marks"]]
            np.testing.assert_allclose(marks, found.quantiles[unit], rtol=1e-6)
        row = made().layer(layer)
        assert row["fire_rate"][unit] == found.fire_rate[unit]
        assert (row["state"][unit] == "dead") == (unit in found.dead)


def test_class_profiles_are_those_of_the_survey(exemplars):
    for layer, unit in made().units():
        found = exemplars[layer]
        bars = made().unit(layer, unit).panels["classes"][0]["rows"]
        assert {name: value for name, value, _ in bars} == pytest.approx(
            dict(zip(("ant", HOSTILE, "cow"), found.class_means[:, unit], strict=True))
        )
        assert [value for _, value, _ in bars] == sorted(found.class_means[:, unit], reverse=True)


def test_dead_units_and_twins_are_told():
    deep = made().layers[2]
    assert made().layer(deep)["state"][7] == "dead"
    assert made().unit(deep, 7).facts["state"].startswith("dead")
    assert "unit 9" in made().unit(deep, 8).panels["neighbours"][0]["text"]
    nearest = made().unit(deep, 8).panels["neighbours"][2]["rows"]
    assert nearest[0][:2] == [deep, 9]
    assert nearest[0][2] == pytest.approx(1)


def test_answers_of_every_image_are_the_models_predictions():
    told = cv.predictions(model(), images(), 3)
    for number in range(COUNT):
        page = made().image(number)
        assert [row[0] for row in page["answers"]] == told[number].classes.tolist()
        np.testing.assert_allclose([row[1] for row in page["answers"]], told[number].scores, rtol=1e-5)
        np.testing.assert_allclose([row[2] for row in page["answers"]], told[number].probabilities, rtol=1e-5)
        assert page["label"] == labels()[number]


def test_an_images_units_are_those_whose_strongest_it_is_among(exemplars):
    page = made().image(5)
    assert page["units"]
    for layer, unit, value, share in page["units"]:
        rank = exemplars[layer].id[unit].tolist().index(5)
        assert of(value) == exemplars[layer].value[unit, rank]
        assert share == pytest.approx(value / exemplars[layer].value[unit, 0])


def test_a_class_has_its_images_its_units_and_what_is_mistaken(exemplars):
    told = cv.predictions(model(), images(), 1)
    best = np.array([each.classes[0] for each in told])
    for index in range(3):
        page = made().class_page(index)
        assert page["images"] == np.flatnonzero(labels() == index).tolist()
        missed = np.flatnonzero((labels() == index) & (best != index))
        assert page["missed"] == [[number, best[number]] for number in missed.tolist()]
        mistaken = np.flatnonzero((labels() != index) & (best == index))
        assert page["mistaken"] == [[number, labels()[number]] for number in mistaken.tolist()]
        for layer, unit, value, selective in page["units"]:
            means = exemplars[layer].class_means[:, unit]
            assert means.argmax() == index
            assert value == pytest.approx(means.max())
            assert selective == pytest.approx(exemplars[layer].selectivity[unit])


def test_a_tile_is_what_the_unit_sees():
    stem, *_, deep, _ = made().layers
    for layer in (stem, deep):
        unit = made().unit(layer, 3)
        tile = unit.tiles()[0]
        top, left, bottom, right = tile["box"]
        crop = np.round(images()[tile["image"], top : bottom + 1, left : right + 1] * 255)
        np.testing.assert_array_equal(unit.pixels(tile), crop)  # small tiles are kept exactly


def test_kernels_are_slices_by_their_length():
    deep, head = made().layers[2:]
    kernel = np.asarray(parameters_of("deep"))
    into, *_ = made().unit(deep, 3).panels["connections"]
    lengths = np.sqrt((kernel[..., 3] ** 2).sum((0, 1)))
    assert [row[1] for row in into["rows"]] == np.argsort(-lengths).tolist()[:8]
    assert [of(row[2]) for row in into["rows"]] == pytest.approx(np.sort(lengths)[::-1].tolist())
    np.testing.assert_array_equal(np.float32(into["rows"][0][3]), kernel[:, :, into["rows"][0][1], 3])
    assert {row[0] for row in into["rows"]} == {made().layers[1]}
    feeds = made().unit(deep, 3).panels["connections"][1]
    weights = np.abs(np.asarray(parameters_of("head"))[3])
    assert [row[:2] for row in feeds["rows"]] == [[head, int(k)] for k in np.argsort(-weights)]


def parameters_of(name):
    return model().params[name]


def test_behind_a_sum_stands_what_is_added_as_it_is():
    stem, behind_sum = made().layers[:2]
    parts = made().unit(behind_sum, 4).panels["connections"]
    assert [part["title"] for part in parts if part["part"] != "text"] == [
        "Fed by, through branch", "Channel by channel from", "Feeds, through deep",
    ]  # fmt: skip
    assert parts[1]["rows"] == [[stem, 4, 1.0]]


def test_a_made_image_stands_beside_the_data_sets_maximum():
    deep = made().layers[2]
    row = made().summary["layers"][[each["name"] for each in made().summary["layers"]].index(deep)]
    (unit,) = (unit for group in row["synthesis"].values() for unit in group)
    shown = made().unit(deep, unit).synthesis
    told = cv.synthesize("activation-maximization", model(), layer=deep, channels=[unit], key=0)
    assert of(shown["peak"]) == pytest.approx(float(np.asarray(told.extras["peak"])[0]), rel=1e-4)
    maximum = made().layer(deep)["maximum"][unit]
    assert shown["ratio"] == pytest.approx(shown["peak"] / maximum)
    assert made().unit(deep, unit).pixels(made().unit(deep, unit).synthesis).ndim == 3


def test_the_path_of_a_made_image_is_compared_layer_by_layer_with_that_of_real_ones(exemplars):
    layer = made().layers[2]
    (unit,) = (unit for group in made().layer(layer)["synthesis"].values() for unit in group)
    path = made().unit(layer, unit).synthesis["path"]
    assert [row[0] for row in path["layers"]] == list(made().layers[:3])
    ids = exemplars[layer].id
    natural = [number for number in ids[unit] if number >= 0]
    behind = [ids[(unit + step) % len(ids)][0] for step in range(1, len(ids))]
    others = [number for number in dict.fromkeys(behind) if number >= 0 and number not in natural][: len(natural)]
    image = np.asarray(cv.synthesize("activation-maximization", model(), layer=layer, channels=[unit], key=0).images)
    values = cv.capture(model(), np.concatenate([image, images()]), list(made().layers[:3]))
    for name, similarity, same, other, share in path["layers"]:
        rows = values[name].reshape(COUNT + 1, -1)
        at = numbers_of(rows.shape[1])
        wanted = path_similarity(rows[:1, at], rows[1:][natural][:, at], rows[1:][others][:, at])
        told = (wanted.similarity, wanted.same, wanted.other)
        np.testing.assert_allclose((similarity, same, other), told, rtol=1e-3, atol=1e-4)
        assert (share is None) == np.isnan(wanted.normalised)
    shares = [row[4] for row in path["layers"] if row[4] is not None]
    assert path["mean"] == (pytest.approx(np.mean(shares)) if shares else None)


def test_of_a_large_map_the_same_numbers_are_compared_every_time():
    at = numbers_of(100_000)
    assert len(np.unique(at)) == 4096
    np.testing.assert_array_equal(at, numbers_of(100_000))
    np.testing.assert_array_equal(numbers_of(5), range(5))


def test_what_is_not_there_is_told_in_a_sentence(tmp_path):
    deep = made().layers[2]
    with pytest.raises(UsageError, match=f"layer '{deep}' has units 0 to 19, got 20"):
        made().unit(deep, 20)
    with pytest.raises(LayerNotFoundError, match=r"no layer 'nothing' in .* It has pages of 4 layers"):
        made().unit("nothing", 0)
    with pytest.raises(UsageError, match="image 99 has no page"):
        made().image(99)
    with pytest.raises(UsageError, match="classes run from 0 to 2, got 3"):
        made().class_page(3)
    with pytest.raises(UsageError, match=r"no site in .*; give the folder that `cnnviz explore --out` wrote"):
        cv.open_site(tmp_path)
    (tmp_path / "site.json").write_text("{")
    with pytest.raises(ResultFileError, match="cannot be read"):
        cv.open_site(tmp_path)


def test_a_site_and_a_unit_show_themselves_in_a_notebook():
    assert "4 layers, 35 units, complete" in repr(made())
    assert "<b>" not in made()._repr_html_().replace("<p>", "")
    shown = made().unit(made().layers[0], 2)
    assert shown.address == f"#/{made().layers[0]}/2"
    assert "share of images above zero" in shown._repr_html_()
