"""Rules of layer-wise relevance propagation as words, and composites of them as data. Light.

A composite is a row of `(pattern, rule)`; the first pattern that fits a layer decides. A pattern is a layer's name,
in which `*` stands for anything, or `kind:conv`, `kind:dense`, or `first`: a layer that sees the image itself.
"""

from dataclasses import dataclass

from cnnviz_jax.plugin import UsageError, call_of, did_you_mean, number_in

RULES: dict[str, float | None] = {
    "epsilon": 1e-6,
    "gamma": 0.25,
    "z+": None,
    "alpha-beta": 2.0,
    "z^B": None,
    "flat": None,
    "w^2": None,
    "identity": None,
}
"""The rules, and for those that take a number the one they take when none is given."""

COMPOSITES: dict[str, tuple[tuple[str, str], ...]] = {
    "epsilon": (("*", "epsilon"),),
    "z+": (("*", "z+"),),
    "epsilon-plus": (("kind:conv", "z+"), ("*", "epsilon")),
    "epsilon-plus-flat": (("first", "flat"), ("kind:conv", "z+"), ("*", "epsilon")),
    "epsilon-alpha2-beta1": (("kind:conv", "alpha-beta(2)"), ("*", "epsilon")),
    "epsilon-alpha2-beta1-flat": (("first", "flat"), ("kind:conv", "alpha-beta(2)"), ("*", "epsilon")),
    "epsilon-gamma-box": (("first", "z^B"), ("kind:conv", "gamma(0.25)"), ("*", "epsilon")),
    "sequential-preset-a": (("kind:conv", "alpha-beta(1)"), ("*", "epsilon(0.1)")),
    "sequential-preset-a-flat": (("first", "flat"), ("kind:conv", "alpha-beta(1)"), ("*", "epsilon(0.1)")),
    "sequential-preset-b": (("kind:conv", "alpha-beta(2)"), ("*", "epsilon(0.1)")),
    "sequential-preset-b-flat": (("first", "flat"), ("kind:conv", "alpha-beta(2)"), ("*", "epsilon(0.1)")),
    "deep-taylor": (("first", "z^B"), ("*", "z+")),
}
"""Which rule goes where, by the name of the composite.

Those that begin with `epsilon-` are the presets of Kohlbrenner et al. 2020 and of zennit's `composites`, those that
begin with `sequential-` iNNvestigate's (innvestigate/analyzer/relevance_based/relevance_analyzer.py), epsilon 0.1;
`deep-taylor` is Montavon et al. 2017 for images, which are bounded.
"""


@dataclass(frozen=True)
class Rule:
    """How one layer shares out the relevance it got."""

    word: str
    """One of `RULES`."""
    number: float = 0.0
    """Epsilon, gamma or alpha; beta is alpha - 1."""

    def __str__(self) -> str:
        return self.word if RULES[self.word] is None else f"{self.word}({self.number:g})"


def rule_of(text: str, epsilon: float = 1e-6) -> Rule:
    """Return the rule that a text such as `gamma(0.25)` names; `epsilon` is what plain `epsilon` stands for.

    Raises:
        UsageError: No rule has that name, or its number makes no sense.
    """
    try:
        call = call_of(text)
        number = number_in(call)
    except ValueError as error:
        raise UsageError(f"relevance rule {text!r}: {error}") from error
    word = {each.lower(): each for each in RULES}.get(call.name.lower())
    if word is None:
        raise UsageError(f"no relevance rule {text!r}; there are {', '.join(RULES)}.{did_you_mean(text, RULES)}")
    default = epsilon if word == "epsilon" else RULES[word]
    if default is None:
        if number is not None:
            raise UsageError(f"the relevance rule {word} takes no number, got {text!r}")
        return Rule(word)
    number = default if number is None else number
    least = 1.0 if word == "alpha-beta" else 0.0
    if not least <= number < float("inf"):
        raise UsageError(f"the number of the relevance rule {word} is at least {least:g}, got {number:g}")
    return Rule(word, number)


def row_of(text: str, epsilon: float = 1e-6) -> tuple[str, Rule]:
    """Return the pattern and the rule of a text such as `conv1=flat`.

    Raises:
        UsageError: It is not of that form, or the rule does not exist.
    """
    pattern, separator, rule = text.rpartition("=")
    if not separator or not pattern.strip():
        raise UsageError(f"rules are written pattern=rule, such as conv1=flat or kind:dense=epsilon(0.1); got {text!r}")
    pattern = pattern.strip()
    if pattern.startswith("kind:") and pattern not in ("kind:conv", "kind:dense"):
        raise UsageError(f"layers with weights are kind:conv or kind:dense, got {pattern!r}")
    return pattern, rule_of(rule, epsilon)
