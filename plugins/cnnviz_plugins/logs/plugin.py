"""The logs of a training as a plugin; imports nothing heavy."""

from collections.abc import Iterable

from cnnviz_jax.plugin import LogSpec, hookimpl


@hookimpl
def cnnviz_logs() -> Iterable[LogSpec]:
    """Yield the built-in logs."""
    for name, module, summary in (
        ("tensorboard", "tensorboard", "event files in a folder, `tensorboard:FOLDER`; without TensorFlow"),
        ("wandb", "wandb_run", "the run of Weights & Biases that is under way, or a new one, `wandb:PROJECT`"),
    ):
        yield LogSpec(name=name, summary=summary, build=f"cnnviz_plugins.logs.{module}:build")
