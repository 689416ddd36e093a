"""Options that are numbers are refused in one wording, whichever technique they belong to."""

import pytest

from cnnviz_jax.errors import UsageError, WindowError
from cnnviz_jax.options.checks import check_at_least, check_positive, check_size
from cnnviz_jax.options.fills import FIXED_FILL_WORDS, check_fill


def test_the_first_option_below_its_least_value_is_named():
    check_at_least(2, designs=2, shown=None)
    with pytest.raises(UsageError, match=r"^shown is at least 1, got 0$"):
        check_at_least(1, designs=3, shown=0, images=-1)


@pytest.mark.parametrize("rate", [0, -0.5, float("nan")])
def test_an_option_that_is_not_above_zero_is_refused(rate):
    check_positive(rate=0.1, steps=None)
    with pytest.raises(UsageError, match=f"^rate is positive, got {rate}$"):
        check_positive(steps=3, rate=rate)


@pytest.mark.parametrize("size", [0, (), (1, 2, 3), (4, -1), 2.0, (3, 1.5)])
def test_a_size_is_one_or_two_positive_whole_numbers(size):
    for good in (None, 1, (5,), (2, 3)):
        check_size("window", good)
    with pytest.raises(UsageError, match=r"^grid is one or two positive whole numbers of cells, got "):
        check_size("grid", size, unit="cells")
    with pytest.raises(WindowError, match=r"^window is one or two positive whole numbers of pixels, got "):
        check_size("window", size, error=WindowError)


@pytest.mark.parametrize("fill", ["noise", "blur", "blur(0)", "value", "mean(3)", "nothing"])
def test_a_fill_is_one_of_the_words_that_the_option_allows(fill):
    for good in (0.5, (0.1, 0.2), "zero", "value(1)", "blur(2.5)"):
        check_fill(good, "baseline", FIXED_FILL_WORDS)
    with pytest.raises(UsageError, match=r"^baseline"):
        check_fill(fill, "baseline", FIXED_FILL_WORDS)
