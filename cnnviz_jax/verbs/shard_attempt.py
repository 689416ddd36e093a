"""One shard of a sweep in a process that an engine started: everything it needs travels with it."""

import os
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnviz_jax.compiling import use_compile_cache
from cnnviz_jax.errors import CnnvizError, UsageError
from cnnviz_jax.plugins import plugins
from cnnviz_jax.sweep.errors import SweepStop, one_line
from cnnviz_jax.sweep.run import run_sweep
from cnnviz_jax.sweep.run_options import RunOptions
from cnnviz_jax.sweep.sharding import Ended
from cnnviz_jax.sweep.spec import SweepSpec
from cnnviz_jax.verbs.load_model import load_model


@dataclass(frozen=True, kw_only=True)
class ShardAttempt:
    """Runs a shard where it is called; picklable."""

    spec: dict[str, Any]
    run: str
    started_in: str
    """The folder that relative paths and the user's own modules are found from."""
    compile_cache: str | None = None
    """As `cnnviz_jax.use_compile_cache` takes it."""
    plugin_files: tuple[str, ...] = ()
    builtins_only: bool = False

    def __call__(self, options: RunOptions, device_batch: int | None) -> Ended:
        """Run the shard that `options` name to its end, and say how that came.

        Args:
            options: How it is run.
            device_batch: In place of the specification's `auto`.
        """
        try:
            self._move()
            plugins(builtins_only=self.builtins_only, quiet=True).load_files(self.plugin_files)
            use_compile_cache(self.compile_cache)
            table = self.spec if device_batch is None else {**self.spec, "device_batch": device_batch}
            spec = SweepSpec.from_mapping(table)
            run_sweep(spec, load_model(spec.model, spec.weights), self.run, options)
        except SweepStop as stop:
            return Ended(code=stop.code, sentence=str(stop))
        except CnnvizError as error:
            return Ended(code=2, sentence=str(error))
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(where.filename).name}:{where.lineno}"
            return Ended(code=1, sentence=f"{type(error).__name__} at {place}: {one_line(error)}")
        return Ended(code=0)

    def _move(self) -> None:
        if os.getcwd() == self.started_in:
            return
        try:
            os.chdir(self.started_in)
        except OSError as error:
            raise UsageError(
                f"the folder {self.started_in}, where the sweep was started, is not on the machine that runs a shard:"
                f" {error.strerror}; all machines need the run folder and the images under the same path"
            ) from error
