"""What `explain` would compute and take: its plan, without its result."""

import jax.numpy as jnp

from cnnviz_jax.engine import Chunk, preview
from cnnviz_jax.engine.case import Case
from cnnviz_jax.engine.fold_run import FoldRun
from cnnviz_jax.model.model import Model
from cnnviz_jax.verbs.explain import Prepared


def explain_plan(made: Prepared, model: Model, *, chunk: Chunk = "auto") -> tuple[tuple[str, str], ...]:
    """Return names and texts: evaluations, memory, expected time, and what the technique says of its own work.

    The time is measured: the program is compiled and a few chunks are run.

    Args:
        made: What `explain` would run.
        model: The model that it was prepared for.
        chunk: Evaluations at once.

    Cost: compiling the technique, and a few chunks of evaluations.
    """
    fold = made.technique.built
    given, shared = made.given
    cases = Case(model, made.target, made.keys, jnp.asarray(made.images), given=given, shared=shared)
    found = preview(FoldRun(fold, cases, chunk, None))
    count, evaluations = len(made.images), fold.evaluations
    own = fold.plan(model, made.target, count)
    return (
        ("images", f"{count:,}"),
        ("evaluations", f"{evaluations:,} per image, {min(found.chunk, evaluations):,} at once"),
        *(row for row in own if not row[0].startswith(" ")),
        ("memory", f"{found.need_bytes / 2**20:,.0f} MiB, predicted"),
        (
            "expected time",
            f"{found.expected_s:.3g} s, from a short calibration: a chunk took {found.chunk_s:.3g} s just now",
        ),
        *(row for row in own if row[0].startswith(" ")),
    )
