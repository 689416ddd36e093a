"""`cv.run_sweep`: a whole data set explained and surveyed, in this process or on an engine that runs its shards."""

import functools
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

from cnnviz_jax.errors import PluginError, UsageError
from cnnviz_jax.model.model import Model
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.foreign import code_of
from cnnviz_jax.plugins.references import load
from cnnviz_jax.progress.bars import Progress, as_callable
from cnnviz_jax.sweep.launchers import LauncherOptions, launcher_and_config
from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.merge import merge
from cnnviz_jax.sweep.result import is_done
from cnnviz_jax.sweep.run import run_sweep as run_here
from cnnviz_jax.sweep.run_file import is_run, read_run
from cnnviz_jax.sweep.run_options import RunOptions
from cnnviz_jax.sweep.sharding import Sharding, prepare_shards, run_shards
from cnnviz_jax.sweep.spec import SweepSpec
from cnnviz_jax.verbs.load_model import load_model
from cnnviz_jax.verbs.open_run import Run, open_run
from cnnviz_jax.verbs.outermost import verb, warn
from cnnviz_jax.verbs.shard_attempt import ShardAttempt


@verb
def run_sweep(
    spec: str | Path | Mapping[str, Any] | SweepSpec,
    run: str | Path,
    *,
    model: Model | None = None,
    on: str | None = None,
    shards: int = 8,
    retries: int = 3,
    resume: Literal["auto", "must", "never"] = "auto",
    restart: bool = False,
    memory_budget: str = "0.6",
    workers: int = 0,
    checkpoint_every: str = "120s",
    keep: int = 3,
    progress: Progress | bool | None = None,
) -> Run:
    """Return a finished sweep: run to its end, from where it was left.

    The results do not depend on where it runs, nor on `shards`, kills and restarts: they are the same to the last bit,
    for the same versions, kind of device and device batch.

    Args:
        spec: A TOML file, what stands in one as a mapping, or a `SweepSpec`; see the page on sweeps.
        run: The run folder; made where it does not exist, resumed where it does.
        model: The model, where it is at hand; otherwise loaded by the name in `spec`, as with `on` it must be.
        on: Where the shards run: `"ray"` for a cluster started on this machine and ended afterwards,
            `"ray://HOST:PORT"`, `"ray:HOST:PORT"` or `"ray gpus=1"`; `cnnviz launchers` lists what there is. `None` for
            this process. All machines need the run folder and the images under the same path.
        shards: Parts that the images are cut into, with `on`.
        retries: How often a shard is started again after its process was lost.
        resume: Whether to resume what lies in the run folder.
        restart: Delete what lies there and begin anew.
        memory_budget: Memory per device: a share of what is free, or a size such as `"8GiB"`.
        workers: Processes that decode images, for each shard; 0 decodes in threads.
        checkpoint_every: Seconds (`"120s"`) or steps (`"50steps"`) between checkpoints.
        keep: Checkpoints kept.
        progress: `progress(done, total, "images")`; or whether to show a bar, `None` for terminals and notebooks.

    Raises:
        SweepStop: A subclass of `CnnvizError` that says why it stopped before its end.
        UsageError: There is no such launcher, or a model was given that other processes cannot load.

    Cost:
        With `on`, a start of Python and JAX for each shard, and one pass over the stored maps to merge them.
    """
    asked = spec if isinstance(spec, SweepSpec) else _read(spec)
    options = RunOptions(
        resume=resume,
        restart=restart,
        memory_budget=memory_budget,
        workers=workers,
        checkpoint_every=checkpoint_every,
        keep=keep,
    )
    tell = as_callable(progress)
    if on is None:
        run_here(asked, model or load_model(asked.model, asked.weights), run, options, progress=tell)
    else:
        if model is not None:
            raise UsageError("other processes load the model by its name in the specification: leave out model=")
        attempt = ShardAttempt(spec=asked.as_dict(), run=str(run), started_in=str(Path.cwd()))
        chosen = LauncherOptions(on=on, shards=shards, retries=retries)
        run_sweep_on(asked, attempt, options, chosen, progress=tell, note=lambda sentence: warn([sentence]))
    return open_run(run, model, trust=True)


def run_sweep_on(
    spec: SweepSpec,
    attempt: ShardAttempt,
    options: RunOptions,
    launcher: LauncherOptions,
    *,
    progress: Progress,
    note: Callable[[str], None],
    load_it: Callable[[], Model] | None = None,
) -> RunFolder:
    """Run a sweep's shards on an engine, merge them and return the run's folder.

    Args:
        spec: What to do.
        attempt: What runs one shard.
        options: How each is run.
        launcher: Where, how many and how often.
        progress: Called as `progress(done, total, "images")`.
        note: Told what is started again.
        load_it: Returns the model, for the merge; by its name when not given.

    Raises:
        SweepStop: A subclass says why it stopped before its end.
    """
    record, config = launcher_and_config(launcher.on or "", "connect")
    load_it = load_it or functools.partial(load_model, spec.model, spec.weights)
    folder = RunFolder(Path(attempt.run))
    if not options.restart and is_run(folder) and is_done(folder, read_run(folder)):
        return run_here(spec, load_it(), folder.root, options)  # which refuses another sweep's and else does nothing
    prepare_shards(folder, launcher.shards, restart=options.restart)
    sharding = Sharding(shards=launcher.shards, retries=launcher.retries, is_batch_open=spec.device_batch == "auto")
    with code_of(plugins(), "launcher", record):
        connecting = load(record.connect or "")(config)
        if not isinstance(connecting, AbstractContextManager):
            raise PluginError(f"launcher {record.name!r} connected to {type(connecting).__name__}; a context is needed")
    with connecting as executor:
        if not isinstance(executor, Executor):
            raise PluginError(f"launcher {record.name!r} gave {type(executor).__name__}; an Executor is needed")
        shards = run_shards(attempt, executor, folder, options, sharding, progress=progress, note=note)
    # Only now, with the engine gone: the model takes memory on a device that the shards may have needed.
    return merge(shards, folder, load_it())


def _read(spec: str | Path | Mapping[str, Any]) -> SweepSpec:
    return SweepSpec.from_mapping(spec) if isinstance(spec, Mapping) else SweepSpec.read(spec)
