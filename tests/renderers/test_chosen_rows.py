"""What a figure says of what it leaves out: the deepest layers stay, and chosen channels are told as chosen."""

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_plugins.renderers.figures.fields import listed_rows
from cnnviz_plugins.renderers.geometry import FieldRow
from cnnviz_plugins.renderers.heats import channel_maps
from cnnviz_plugins.renderers.options import HeatOptions


def row(name: str, *, is_new: bool) -> FieldRow:
    return FieldRow(
        layer=name, kind="", size_text="", stride_text="", padding_text="", is_aligned=True, box=(0, 0, 1, 1),
        is_first_of_box=is_new,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("limit", "shown"),
    [(7, "aAbBcCd"), (4, "abcd"), (3, "abd"), (2, "ad"), (1, "d")],
)
def test_of_too_many_layers_the_last_stays(limit, shown):
    rows = [row(name, is_new=name.islower()) for name in "aAbBcCd"]
    assert "".join(found.layer for found in listed_rows(rows, limit)) == shown


@pytest.mark.parametrize(
    ("options", "caption"),
    [
        ({}, "all 16 channels; "),
        ({"count": 3}, "3 of 16 channels; "),
        ({"channels": (4, 9)}, "2 of 16 channels; "),
        ({"select": "strongest", "count": 3}, "3 of 16 channels, strongest first; "),
        ({"select": "most_variable", "count": 3}, "3 of 16 channels, most variable first; "),
    ],
)
def test_captions_of_feature_maps_say_how_many_the_layer_has_and_how_they_were_chosen(options, caption):
    def network(weights, x):
        return (x[..., :1] * weights).mean((1, 2))

    model = cv.adapt(network, np.linspace(-1, 1, 16, dtype=np.float32), input_shape=(4, 4, 3))
    layer = model.map_layer().name
    images = np.random.default_rng(0).random((1, 4, 4, 3), np.float32)
    result = cv.explain("feature-maps", model, images, layer=layer, **options)
    assert channel_maps(result, HeatOptions())[0].caption.startswith(caption)
