"""How a fill is written: a number, one number per channel, or words. Light."""

from cnnviz_jax.errors import UsageError
from cnnviz_jax.options.arrays import GivenArray
from cnnviz_jax.options.values import word_and_number

Fill = float | int | tuple[float | int, ...] | str
"""What stands for "nothing there": a number, one per channel, words, or an array; see `cnnviz_jax.data.fills`."""


FILL_WORDS = {"zero": False, "value": True, "mean": False, "model-mean": False, "blur": True, "noise": False}
"""Words that a fill may be, and whether each takes a number."""


FIXED_FILL_WORDS = {word: takes for word, takes in FILL_WORDS.items() if word != "noise"}
"""The same without `noise`, for options that leave nothing to chance."""


def check_fill(fill: Fill, option: str, words: dict[str, bool] = FILL_WORDS, *, arrays: bool = False) -> None:
    """Raise `UsageError` unless `fill` is a number, a tuple of them, one of the words, or an array where it may be.

    Args:
        fill: What the user gave.
        option: The option's name, for the error.
        words: The words allowed, and whether each takes a number.
        arrays: Whether the technique reads arrays, by `Case.filled`.
    """
    if isinstance(fill, GivenArray):
        if not arrays:
            raise UsageError(f"{option} is a number, one per channel or a word here, no array; got {fill.shape}")
    elif isinstance(fill, str):
        word, number = word_and_number(fill, option, words)
        if word == "blur" and not (number or 0) > 0:
            raise UsageError(f"{option}: blur takes a positive sigma in pixels, got {fill!r}")
