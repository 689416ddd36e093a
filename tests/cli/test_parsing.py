"""Channels, targets, seeds and times as text."""

import pytest

from cnnviz_jax.cli.values import channel_indices, evaluations_at_once, seed_number, target_classes
from cnnviz_jax.errors import UsageError


@pytest.mark.parametrize(
    ("text", "indices"),
    [
        ("0:4", [0, 1, 2, 3]),
        ("3,7,40", [3, 7, 40]),
        ("5", [5]),
        ("0:10:4,50", [0, 4, 8, 50]),
        (":", [0, 1, 2, 3, 4, 5]),
        ("4:", [4, 5]),
        ("::2", [0, 2, 4]),
        (" 1 , 3", [1, 3]),
    ],
)
def test_channels_are_numbers_and_slices(text, indices):
    assert channel_indices(text, 6) == indices


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a", "channels 'a' is not a list such as 0:64 or 3,7,40"),
        ("", "is not a list"),
        ("-1", "is not a list"),
        ("4:4", "names no channel"),
        ("0:4:0", "has step 0"),
    ],
)
def test_other_channels_are_refused(text, fault):
    with pytest.raises(UsageError, match=fault):
        channel_indices(text, 6)


def test_an_open_range_needs_to_know_the_layer():
    with pytest.raises(UsageError, match="channels '2:' has no end; say where to stop, as in 2:64"):
        channel_indices("2:")


def test_targets_are_numbers_one_per_image_or_a_label():
    assert target_classes("243") == 243
    assert target_classes("243, 281") == [243, 281]
    assert target_classes("-1") == -1
    assert target_classes("Tabby", ["dog", "tabby"]) == 1
    assert target_classes("hen, or so", ["dog", "hen, or so"]) == 1


def test_a_label_that_is_unknown_or_twice_there_is_refused():
    with pytest.raises(UsageError, match=r"nor a label of this model. Did you mean 'tabby'?"):
        target_classes("tabbi", ["dog", "tabby"])
    with pytest.raises(UsageError, match="'crane' is the label of classes 0, 2; give the number"):
        target_classes("crane", ["crane", "dog", "crane"])
    with pytest.raises(UsageError, match="is neither a class index"):
        target_classes("3.5")


def test_seeds_and_chunks():
    assert seed_number(None) is None
    assert seed_number("7") == 7
    assert evaluations_at_once(None) == "auto"
    assert evaluations_at_once("16") == 16
    for text in ("-1", "x", str(2**32)):
        with pytest.raises(UsageError, match="is not a whole number from 0 to 4294967295"):
            seed_number(text)
    for text in ("0", "-3", "2.5"):
        with pytest.raises(UsageError, match="is neither auto nor a whole number of evaluations"):
            evaluations_at_once(text)
