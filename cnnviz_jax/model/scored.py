"""What a model asks of a target, so that targets can stand above models and know them."""

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Scored(Protocol):
    """The part of `cnnviz_jax.targets.Target` that running a model needs."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Layers whose activations `score` reads."""

    @property
    def needs_outputs(self) -> bool:
        """Whether `score` reads the outputs."""

    def of_one_class(self) -> "tuple[Any, Scored] | None":
        """Return the one class whose score is all that `score` reads, and what then scores that score alone."""

    def score(self, outputs: Any, activations: dict[str, Any]) -> Any:
        """Return the score of one image."""
