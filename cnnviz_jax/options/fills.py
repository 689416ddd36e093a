"""How a fill is written: a number, one number per channel, or words. Light."""

from cnnviz_jax.errors import UsageError
from cnnviz_jax.options.values import word_and_number

Fill = float | int | tuple[float | int, ...] | str
"""What stands for "nothing there": a number, one per channel, or words; see `cnnviz_jax.data.fills`."""


FILL_WORDS = {"zero": False, "value": True, "mean": False, "model-mean": False, "blur": True, "noise": False}
"""Words that a fill may be, and whether each takes a number."""


FIXED_FILL_WORDS = {word: takes for word, takes in FILL_WORDS.items() if word != "noise"}
"""The same without `noise`, for options that leave nothing to chance."""


def check_fill(fill: Fill, option: str, words: dict[str, bool] = FILL_WORDS) -> None:
    """Raise `UsageError` unless `fill` is a number, a tuple of them, or one of the words.

    Args:
        fill: What the user gave.
        option: The option's name, for the error.
        words: The words allowed, and whether each takes a number.
    """
    if isinstance(fill, str):
        word, number = word_and_number(fill, option, words)
        if word == "blur" and not (number or 0) > 0:
            raise UsageError(f"{option}: blur takes a positive sigma in pixels, got {fill!r}")
