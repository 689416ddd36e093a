"""The logs of a training as a plugin; imports nothing heavy."""

from collections.abc import Iterable

from cnnviz_jax.plugin import LogSpec, hookimpl


@hookimpl
def cnnviz_logs() -> Iterable[LogSpec]:
    """Yield the built-in logs."""
    yield LogSpec(
        name="tensorboard",
        summary="event files in a folder, `tensorboard:FOLDER`; without TensorFlow",
        build="cnnviz_plugins.logs.tensorboard:build",
    )
    yield LogSpec(
        name="wandb",
        summary="the run of Weights & Biases that is under way, or a new one, `wandb:PROJECT`",
        build="cnnviz_plugins.logs.wandb_run:build",
    )
