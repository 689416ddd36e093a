"""What can be read off a network: kernels and receptive fields."""

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import LayerKindError
from tests.explain.small import model, parameters


def test_filters_are_the_parameters_themselves():
    bank = cv.inspect("filters", model())
    assert bank.layer == "conv1"
    np.testing.assert_array_equal(bank.kernel, parameters()["conv1"]["kernel"])
    deeper = cv.inspect("filters", model(), layer="conv2")
    np.testing.assert_array_equal(deeper.kernel, parameters()["conv2"]["kernel"])


def test_a_dense_layer_is_one_row_of_inputs_per_unit():
    bank = cv.inspect("filters", model(), layer="head")
    np.testing.assert_array_equal(bank.kernel[0, 0], parameters()["head"]["kernel"])


def test_a_layer_without_a_kernel_is_refused():
    pool = next(name for name, layer in model().layers.items() if layer.kind == "max_pool")
    with pytest.raises(LayerKindError, match="is a max_pool and has no kernel"):
        cv.inspect("filters", model(), layer=pool)


def test_receptive_fields_of_every_layer():
    table = cv.inspect("receptive-field", model())
    sizes = {name: field.size for name, field in table.fields.items()}
    assert tuple(sizes["conv1"]) == (3, 3)
    assert tuple(sizes["conv2"]) == (8, 8)  # 3, then 2 x 2 pooling makes 4, then 3 more at stride 2
    assert tuple(table.fields["conv2"].stride) == (2, 2)
    assert table.input_shape == (12, 10, 3)
