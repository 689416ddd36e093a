"""What `explain` would compute and take: its plan, without its result."""

from typing import Any

import jax.numpy as jnp

from cnnviz_jax.data.given import Images
from cnnviz_jax.engine import Chunk, preview
from cnnviz_jax.engine.case import Case
from cnnviz_jax.engine.fold_run import FoldRun
from cnnviz_jax.model.model import Model
from cnnviz_jax.plugins.configs import ExplainConfig
from cnnviz_jax.plugins.specs import TechniqueSpec
from cnnviz_jax.verbs.explain import Prepared


def explain_plan(
    technique: str | TechniqueSpec | ExplainConfig,
    model: Model,
    images: Images,
    target: Any = None,
    *,
    key: Any = None,
    chunk: Chunk = "auto",
    memory_budget: int | None = None,
    **options: Any,
) -> tuple[tuple[str, str], ...]:
    """Return names and texts: evaluations, memory, expected time, and what the technique says of its own work.

    The time is measured: the program is compiled and a few chunks are run.

    Args:
        technique: As for `explain`.
        model: From `cv.adapt` or `cv.load_model`.
        images: Images in [0, 1], or one image.
        target: As for `explain`.
        key: As for `explain`.
        chunk: Evaluations at once.
        memory_budget: Bytes one compiled program may need; `None` for a share of what is free.
        **options: The technique's own.

    Raises:
        CnnvizError: As for `explain`.

    Cost: compiling the technique, and a few chunks of evaluations.
    """
    made = Prepared.of(technique, model, images, target, key, None, options)
    fold = made.technique.built
    given, shared = made.given
    cases = Case(model, made.target, made.keys, jnp.asarray(made.images), given=given, shared=shared)
    found = preview(FoldRun(fold, cases, chunk, memory_budget))
    count, evaluations = len(made.images), fold.evaluations
    own = fold.plan(model)
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
