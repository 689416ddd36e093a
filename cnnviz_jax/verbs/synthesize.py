"""The door for synthesis: pictures that excite units most."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cnnviz_jax import targets
from cnnviz_jax.engine import Chunk, Iteration, Progress, keys_for, root_key, run_iteration, silent, word_id
from cnnviz_jax.errors import PluginError, TargetError
from cnnviz_jax.model import Model
from cnnviz_jax.records import load
from cnnviz_jax.results import Provenance, Synthesis
from cnnviz_jax.verbs.options import require_model, technique_and_config, versions


def synthesize(
    technique: str,
    model: Model,
    *,
    layer: str | None = None,
    channels: Sequence[int] | None = None,
    target: Any = None,
    key: Any = None,
    chunk: Chunk = "auto",
    memory_budget: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Synthesis:
    """Return pictures made to raise a score: a channel's mean activation, a class, a neuron.

    Args:
        technique: Name of a synthesize technique; `cnnviz techniques` lists them.
        model: From `cv.adapt` or `cv.load_model`.
        layer: Layer whose channels are maximised.
        channels: Which of them, one picture each; `None` for all.
        target: Instead of a layer: class indices, or one of `cv.targets`.
        key: Seed or key of the start; a channel's picture is the same alone or among others.
        chunk: Targets at once; results do not depend on it.
        memory_budget: Bytes one compiled program may need; `None` for a share of what is free.
        progress: Called as `progress(done, total, what)`.
        **options: The technique's own; see `cnnviz synthesize TECHNIQUE --help`.

    Raises:
        CnnvizError: A subclass says which of name, option, layer or target does not fit, and what would.

    Cost: steps x targets forward and backward passes.
    """
    require_model(model)
    spec, config = technique_and_config(technique, "synthesize", options)
    resolved, ids = _targets(model, layer, channels, target)
    iteration = load(spec.build)(config, model, resolved)
    if not isinstance(iteration, Iteration):
        raise PluginError(f"technique {technique!r} built a {type(iteration).__name__}; an Iteration is needed")
    sized = model.at_size(*iteration.size) if iteration.size else model
    seed = root_key(key)
    keys = keys_for(seed, ids)
    outcome, curves = run_iteration(
        iteration, sized, resolved, keys, chunk=chunk, memory_budget=memory_budget, progress=progress or silent
    )
    provenance = Provenance(
        technique=spec.name,
        model=model.name,
        config=config,
        targets=resolved.describe(model),
        layer=iteration.layer or layer,
        seed=bytes(np.asarray(jax.random.key_data(seed), ">u4")).hex(),
        versions=versions(),
        notes=iteration.notes,
    )
    return iteration.result(outcome, curves, provenance, (*model.warnings, *iteration.warnings))


def _targets(model: Model, layer: str | None, channels: Any, target: Any) -> tuple[targets.Target, Any]:
    if (layer is None) == (target is None):
        raise TargetError("say what to excite: layer= (with channels=) or target=, one of the two")
    if layer is None:
        if channels is not None:
            raise TargetError("channels belong to a layer; say layer=")
        if isinstance(target, targets.Target):
            leaves = jax.tree.leaves(target)
            count = max((np.atleast_1d(np.asarray(leaf)).shape[0] for leaf in leaves), default=1)
            resolved = targets.settle(target, model).batched(count)
            words = resolved.describe(model)
            return resolved, np.asarray([word_id(word) for word in words], np.uint32)
        resolved = targets.settle(targets.ClassScore(np.atleast_1d(np.asarray(target))), model).batched(np.size(target))
        return resolved, np.asarray(resolved.index)  # type: ignore[attr-defined]
    name = model.layers.resolve(layer)
    chosen = np.arange(model.layers[name].channels) if channels is None else np.atleast_1d(np.asarray(channels))
    if chosen.size == 0 or chosen.dtype.kind not in "iu":
        raise TargetError(f"channels are whole numbers, got {channels!r}")
    resolved = targets.settle(targets.Channel(layer=name, channel=jnp.asarray(chosen)), model).batched(len(chosen))
    root = jax.random.key(word_id(name), impl="threefry2x32")
    ids = jax.vmap(lambda c: jax.random.bits(jax.random.fold_in(root, c)))(jnp.asarray(chosen))
    return resolved, np.asarray(ids, np.uint32)
