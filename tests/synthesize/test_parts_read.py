"""Parts of a synthesis as users write them."""

import pytest

from cnnviz_jax.plugin import UsageError, call_of
from cnnviz_plugins.synthesize.parts import part
from cnnviz_plugins.synthesize.recipes import PARAMETRIZATIONS


@pytest.mark.parametrize("text", ["pixel(normal, 0.1)", "pixel('normal', 0.1)", "pixel(noise=normal, amount=0.1)"])
def test_a_word_in_brackets_needs_no_quotes(text):
    name, values, named = call_of(text)
    assert (name, *values, *named.values()) == ("pixel", "normal", 0.1)


@pytest.mark.parametrize("text", ["pixel(1 + x)", "pixel(f(2))", "pixel(a.b)", "pixel(*a)", "pixel(1 if 2 else 3)"])
def test_what_is_neither_a_value_nor_a_word_is_refused_by_what_it_says(text):
    with pytest.raises(UsageError, match="is no number, word or list"):
        part(text, "parametrization", PARAMETRIZATIONS)
