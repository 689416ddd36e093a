"""Parameter randomisation: a map that ignores the weights does not change with them (Adebayo et al. 2018)."""

from collections.abc import Callable, Iterator

import jax
import numpy as np
from jaxtyping import Float
from scipy import stats

from cnnviz_jax.plugin import HostCase, HostMetric, Measured, Model, ModelError, word_id
from cnnviz_plugins.measure.plugin import ParameterRandomizationConfig


def parameter_randomization(config: ParameterRandomizationConfig, model: Model) -> HostMetric:
    """Return the measure: rank correlation of the map with that of ever more randomised networks.

    Layers with a kernel are randomised one after the other, the last first, each with its bias, and stay so
    ("cascading"). `curve` is Spearman's correlation after each; the value is the curve's mean, 0 for a map that
    has nothing in common with the untrained networks'. Where both maps are constant the correlation is 1, where
    one is, 0. Weights are arguments of the compiled program, so that all networks share one executable.

    Randomness: the numbers of an array depend on the key and on its path, not on the images.
    Cost: one explanation per layer and image.
    Source: Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim 2018, section 4.1.

    Raises:
        ModelError: No layer has a kernel.
    """
    groups = groups_of(model)

    def run(case: HostCase) -> Measured:
        before = ranks(case.target.heat, config.sign)
        curve = []
        for number, randomised in enumerate(cascade(case, groups, config.draw)):
            heat, _ = case.again(model=randomised)
            curve.append(correlation(before, ranks(heat, config.sign)))
            case.progress(number + 1, len(groups), "randomised networks")
        points = np.stack(curve, 1).astype(np.float32)
        return Measured(values=points.mean(1), curve=points)

    return layer_by_layer(run, model, groups, "top")


Groups = list[tuple[str, list[int]]]
"""Layers by name, each with the positions of its arrays among the parameters' leaves."""


def groups_of(model: Model) -> Groups:
    """Return the layers with a kernel, the last first, each with the positions of its arrays.

    Raises:
        ModelError: No layer has a kernel.
    """
    place = {path: position for position, path in enumerate(model.structure.pure.param_paths)}
    groups: Groups = []
    taken: set[int] = set()
    for name, layer in reversed(list(model.layers.items())):
        positions: list[int] = []
        for path in layer.params:
            holder = path.rpartition(".")[0]
            # A bias stands beside its kernel; at the top level everything would.
            beside = [p for other, p in place.items() if holder and other.rpartition(".")[0] == holder]
            positions += [p for p in dict.fromkeys([place[path], *beside]) if p not in taken]
            taken.update(positions)
        if positions:
            groups.append((name, positions))
    if not groups:
        raise ModelError(f"{model.name} has no layer with a kernel; there is nothing to randomise")
    return groups


def arrays_kept(model: Model, groups: Groups) -> int:
    """Return how many arrays of the parameters belong to none of the layers."""
    return len(jax.tree.leaves(model.params)) - len({position for _, positions in groups for position in positions})


def layer_by_layer(run: Callable[[HostCase], Measured], model: Model, groups: Groups, end: str) -> HostMetric:
    """Return the measure of a curve with a point for each layer, those randomised first at one `end` of the network."""
    return HostMetric(
        run=run,
        better="lower",
        at=tuple(float(number) for number in range(1, len(groups) + 1)),
        axis=f"layers randomised, from the {end}",
        labels=tuple(name for name, _ in groups),
        notes=(("arrays kept", arrays_kept(model, groups)),),
    )


def cascade(case: HostCase, groups: Groups, draw: str) -> Iterator[Model]:
    """Yield the network with the first layer randomised, with the first two, and so on.

    The numbers of an array depend on the key and on its path, not on what was randomised before.
    """
    leaves, tree = jax.tree.flatten(case.model.params)
    paths = case.model.structure.pure.param_paths
    seed = np.asarray(jax.random.key_data(case.keys), np.uint32)[0].tolist()
    for _, positions in groups:
        for position in positions:
            leaves[position] = _redrawn(leaves[position], [*seed, word_id(paths[position])], draw)
        yield case.model.with_params(jax.tree.unflatten(tree, leaves))


def _redrawn(array: jax.Array, seed: list[int], draw: str) -> jax.Array:
    random, values = np.random.default_rng(seed), np.asarray(array)
    if draw == "permute":
        return jax.numpy.asarray(random.permutation(values.reshape(-1)).reshape(values.shape))
    floats = values.astype(np.float64)
    drawn = random.normal(floats.mean(), floats.std(), values.shape)
    return jax.numpy.asarray(drawn.astype(values.dtype))


def ranks(heat: Float[jax.Array | np.ndarray, "n h w"], sign: str) -> Float[np.ndarray, "n p"]:
    """Return the rank of each pixel in its map; equal ones share the mean of their ranks."""
    flat = np.asarray(heat).reshape(len(heat), -1)
    found: np.ndarray = stats.rankdata(np.abs(flat) if sign == "drop" else flat, axis=1)
    return found


def correlation(one: Float[np.ndarray, "n p"], other: Float[np.ndarray, "n p"]) -> Float[np.ndarray, " n"]:
    """Return the correlation of ranks: 1 where both are constant, 0 where one is."""
    a, b = (each - each.mean(1, keepdims=True) for each in (one, other))
    spread_a, spread_b = (a**2).sum(1), (b**2).sum(1)
    both = (spread_a > 0) & (spread_b > 0)
    found = (a * b).sum(1) / np.sqrt(np.where(both, spread_a * spread_b, 1.0))
    return np.where(both, found, (spread_a == 0) & (spread_b == 0))
