"""Keys go into provenance as text and come back; work in stages tells one progress."""

import jax
import numpy as np
import pytest

from cnnviz_jax.data.given import image_names
from cnnviz_jax.engine import key_of, key_text, root_key, stage
from cnnviz_jax.errors import ImageError


def test_a_key_comes_back_from_its_text():
    assert key_text(root_key(7)) == "0000000000000007"
    key = jax.random.fold_in(root_key(3), 11)
    np.testing.assert_array_equal(jax.random.key_data(key_of(key_text(key))), jax.random.key_data(key))


def test_a_stage_is_told_in_thousandths_and_under_its_name():
    told = []
    tick = stage(lambda *news: told.append(news), 2, 5, "road")
    tick(3, 4, "evaluations")
    tick(0, 0, "nothing to do")
    assert told == [(2000, 5000, "road"), (2750, 5000, "road"), (2000, 5000, "road")]


def test_images_without_names_are_numbered():
    assert image_names(None, 2) == ("image 0", "image 1")
    assert image_names(["cat"], 1) == ("cat",)
    with pytest.raises(ImageError, match="2 names for 1 images; give one for each"):
        image_names(["cat", "dog"], 1)
