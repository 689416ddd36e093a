"""A sweep of a dozen images with every kind of array, quick enough to be run some hundred times."""

import contextlib
from pathlib import Path

import pytest

from cnnviz_jax.sweep.errors import Interrupted
from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.loop import Loop
from cnnviz_jax.sweep.run_file import read_object, write_run
from cnnviz_jax.sweep.run_options import RunOptions
from tests.sweep import harness

COUNT = 12
PARTS = {
    "explain": [{"technique": "saliency"}],
    "survey": [{"technique": "moments", "layers": ["conv2"]}],
}
ARRAYS = (
    "heat/saliency",
    "label",
    "pred",
    "pred_score",
    "scale/saliency",
    "score/saliency",
    "status",
    "target/saliency",
)


def sweep(folder: Path, keep: int = 2, **changes) -> RunFolder:
    """Run it, with a checkpoint after every device batch of 4."""
    options = RunOptions(checkpoint_every="1steps", keep=keep, **changes.pop("options", {}))
    return harness.sweep(folder, options=options, **({"limit": COUNT} | PARTS | changes))


def stop_after(step: int, folder: Path, **changes) -> Path:
    """Run it until a signal stops it after so many device batches."""
    before = Loop._agree
    with pytest.MonkeyPatch.context() as patched, contextlib.suppress(Interrupted):
        patched.setattr(Loop, "_agree", lambda self, number, asked: before(self, number, asked or number == step))
        sweep(folder, **changes)
    return folder


def edit_run(folder: Path, **changes) -> None:
    """Edit the specification in run.json as somebody would who knows how it is sealed."""
    run = RunFolder(folder)
    content = read_object(run.run)
    write_run(run, {**content, "spec": {**content["spec"], **changes}})
