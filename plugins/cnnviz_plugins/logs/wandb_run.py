"""Weights & Biases: into the run that is under way, or into one that is begun and finished here.

Where nothing is to be sent, `WANDB_MODE=offline` is the package's own switch: the run stays in a folder.
"""

from collections.abc import Mapping
from typing import Any

from jaxtyping import UInt8
from numpy import ndarray

from cnnviz_jax.plugin import UsageError, reason_of, require


def build(place: str) -> "RunLog":
    """Return the log of the run that is under way, or where there is none of a new one of the project `place`.

    Raises:
        UsageError: wandb is not installed or begins no run.
    """
    wandb = require("wandb", extra="wandb", what="a log for Weights & Biases")
    if wandb.run is not None:
        return RunLog(wandb, wandb.run, is_ours=False)
    try:
        return RunLog(wandb, wandb.init(project=place or None), is_ours=True)
    except Exception as error:  # of many types: the network's, the service's, its own
        raise UsageError(f"Weights & Biases begins no run: {reason_of(error)}") from error


class RunLog:
    """One run; its charts have the training's step as their axis."""

    def __init__(self, wandb: Any, run: Any, *, is_ours: bool) -> None:
        self._wandb, self._run, self._is_ours = wandb, run, is_ours
        # A step of its own: the training's own calls of `wandb.log` count theirs, and one may not go back.
        run.define_metric("cnnviz/step", hidden=True)
        run.define_metric("cnnviz/*", step_metric="cnnviz/step")

    def image(self, tag: str, step: int, sheet: UInt8[ndarray, "h w 3"], caption: str) -> None:
        """Take one image with its caption."""
        shown = self._wandb.Image(sheet, caption=caption or None)
        self._run.log({f"cnnviz/{tag}": shown, "cnnviz/step": step})

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Take numbers by tag."""
        self._run.log({**{f"cnnviz/{tag}": value for tag, value in values.items()}, "cnnviz/step": step})

    def close(self) -> None:
        """Finish the run, where it was begun here."""
        if self._is_ours:
            self._run.finish()
