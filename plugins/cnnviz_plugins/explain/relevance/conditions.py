"""Conditions on channels as words: `relu4=31,5; conv1=2` lets relevance pass two layers by those channels. Light."""

from cnnviz_jax.plugin import UsageError

Condition = tuple[tuple[str, tuple[int, ...]], ...]
"""Layers, and the channels of each by which relevance may pass: any of a layer's, and every layer's."""


def condition_of(text: str) -> Condition:
    """Return the condition that a text spells.

    Raises:
        UsageError: It is not of the form `layer=channel,channel`, several joined by `;`, or names a layer twice.
    """
    found: dict[str, tuple[int, ...]] = {}
    for part in text.split(";"):
        layer, sign, listed = (word.strip() for word in part.rpartition("="))
        numbers = [word.strip() for word in listed.split(",")]
        if not sign or not layer or not all(number.isdecimal() for number in numbers):
            raise UsageError(
                f"a condition is layer=channels, such as 'conv3=31,5' or 'conv3=31; conv1=2'; got {text!r}"
            )
        if layer in found:
            raise UsageError(f"the condition {text!r} names layer {layer!r} twice; join its channels by commas")
        found[layer] = tuple(sorted({int(number) for number in numbers}))
    return tuple(found.items())
