"""Evolution: filters, decision lines, weights, answers and synthesised units of a recorded training, step by step."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import (
    Evolution,
    LayerNotFoundError,
    Model,
    NpzFile,
    Provenance,
    Recorder,
    UsageError,
    Weights,
    did_you_mean,
    lengths,
    load_model,
    survey,
    synthesize,
    with_weights,
)
from cnnviz_plugins.inspect.plugin import EvolutionConfig

_SHARES = (0.01, 0.25, 0.5, 0.75, 0.99)


def build(config: EvolutionConfig, run: Path) -> Callable[[Provenance], Evolution]:
    """Return what reads a training that a `cv.Recorder` kept.

    Raises:
        UsageError: The folder holds fewer than two steps, images or units are asked for and no network is named, or
            units and no layer.
        LayerNotFoundError: No such kernel.
        WeightsError: A step is damaged.

    Cost: reading every step; with images, one survey per step; with synthesised units, ascent_steps forward and
    backward passes per step and unit. All steps share the compiled programs.
    """
    recorder = Recorder(run, network=config.network)
    steps = recorder.steps
    if len(steps) < 2:
        raise UsageError(f"{run} holds {len(steps)} recorded steps; a cv.Recorder keeps them, and two are needed")
    if config.units is not None and not config.units:
        raise UsageError("units is empty; name some, or leave it out for the first four")
    if config.units is not None and config.synthesised is None:
        raise UsageError("units belong to a layer; say synthesised=LAYER")
    wanted = "answers to images" if config.images is not None else "synthesised units"
    network = config.network or recorder.network
    if (config.images is not None or config.synthesised is not None) and network is None:
        raise UsageError(f"{wanted} need the network: network=package.module:factory, or Recorder(network=)")

    points, classes = (None, None) if config.points is None else points_in(Path(config.points))

    def read(provenance: Provenance) -> Evolution:
        kept = [recorder.load(step) for step in steps]
        names = tuple(name for name in kept[0] if np.issubdtype(kept[0][name].dtype, np.floating))
        table = {name: np.stack([one[name].ravel() for one in kept]).astype(np.float64) for name in names}
        layer = _kernel_name(kept[0], config.layer)
        kernel = np.stack([one[layer] for one in kept]).astype(np.float32)
        shown = _as_filters(kernel, config.shape)
        prefix = layer.rpartition(".")[0]
        bias = next((name for name in names if name != layer and name == f"{prefix}.bias".lstrip(".")), None)
        biases = np.zeros((len(steps), shown.shape[-1]), np.float32)
        if bias is not None and kept[0][bias].shape == biases.shape[1:]:
            biases = np.stack([one[bias] for one in kept]).astype(np.float32)
        is_plane = kernel.ndim == 3 and kernel.shape[1] == 2
        if points is not None and not is_plane:
            raise UsageError(f"points lie in a plane, and {layer} has {kernel.shape[-2]} inputs")
        model = load_model(network) if network and (config.images or config.synthesised) else None
        found = Evolution(
            steps=steps,
            names=names,
            drift=np.stack([_moved(table[name], np.arange(-1, len(steps) - 1).clip(0)) for name in names]),
            distance=np.stack([_moved(table[name], np.zeros(len(steps), int)) for name in names]),
            quantiles=np.stack([np.quantile(table[name], _SHARES, axis=1).T for name in names]),
            shares=_SHARES,
            layer=layer,
            view="lines" if is_plane else "filters",
            kernel=shown,
            bias=biases,
            **answers_of(config, model, kept),
            points=points,
            classes=classes,
            provenance=provenance,
        )
        return found if model is None or config.synthesised is None else with_units(found, config, model, kept)

    return read


def points_in(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the points (n, 2) of an .npz and their classes (n,), which are 0 where it has none.

    Raises:
        UsageError: There is no such file, or it holds no points in a plane.
    """
    try:
        with NpzFile(path) as file:
            found = {name: file[name] for name in ("x", "y") if name in file}
    except (OSError, ValueError) as error:
        raise UsageError(f"points {str(path)!r} is no .npz that can be read: {error}") from error
    x = np.asarray(found.get("x", ()))
    y = np.asarray(found.get("y", np.zeros(len(x))))
    if x.ndim != 2 or x.shape[1] != 2 or y.shape != x.shape[:1]:
        raise UsageError(f"points are x (n, 2) and y (n,) in {str(path)!r}, got {x.shape} and {y.shape}")
    return x.astype(np.float32), y.astype(np.int32)


def _moved(rows: Float[np.ndarray, "s n"], since: np.ndarray) -> Float[np.ndarray, " s"]:
    before = lengths(rows[since])
    return lengths(rows - rows[since]) / np.where(before > 0, before, 1)


def _kernel_name(weights: Weights, asked: str | None) -> str:
    kernels = [name for name, array in weights.items() if array.ndim in (2, 4)]
    if not kernels:
        raise LayerNotFoundError(f"no recorded parameter is a kernel (2 or 4 axes); there are {', '.join(weights)}")
    if asked is None:
        return next((name for name in kernels if weights[name].ndim == 4), None) or next(
            (name for name in kernels if weights[name].shape[0] == 2), kernels[0]
        )
    found = [name for name in kernels if name == asked or name.startswith(f"{asked}.")]
    if not found:
        raise LayerNotFoundError(
            f"no recorded kernel {asked!r}.{did_you_mean(asked, kernels)} There are {', '.join(kernels)}"
        )
    return found[0]


def _as_filters(kernel: np.ndarray, shape: tuple[int, int] | None) -> Float[np.ndarray, "s h w i o"]:
    if kernel.ndim == 5:
        return kernel
    count, inputs, units = kernel.shape
    if shape is None:
        return kernel.reshape(count, 1, 1, inputs, units)
    if inputs % (shape[0] * shape[1]):
        raise UsageError(f"shape is {shape[0]} x {shape[1]}, and the kernel has {inputs} inputs")
    return kernel.reshape(count, *shape, -1, units)


_FIRST = 4


class Answered(TypedDict):
    """What an `Evolution` says of units over images."""

    answers: np.ndarray | None
    fire_rate: np.ndarray | None
    surveyed: str | None


def answers_of(config: EvolutionConfig, model: Model | None, kept: Sequence[Weights]) -> Answered:
    """Return, for each step, quantiles and fire rate of a layer's units over the images, and the layer's name."""
    if model is None or config.images is None:
        return {"answers": None, "fire_rate": None, "surveyed": None}
    quantiles, rates, layer = [], [], None
    for weights in kept:
        found = survey("distributions", _at(model, weights), config.images, layer=config.surveyed)
        places = [found.shares.index(share) for share in _SHARES]
        quantiles.append(found.quantiles[:, places])
        rates.append(found.fire_rate)
        layer = found.layer
    return {"answers": np.stack(quantiles), "fire_rate": np.stack(rates), "surveyed": layer}


def with_units(found: Evolution, config: EvolutionConfig, model: Model, kept: Sequence[Weights]) -> Evolution:
    """Return `found` with what activation maximisation makes of the chosen units at every step.

    Key, recipe and size are the same at every step, so differences are the training's.
    """
    layer = model.layers.resolve(str(config.synthesised))
    units = config.units or tuple(range(min(_FIRST, model.layers[layer].channels)))
    options: dict[str, Any] = {"layer": layer, "channels": units, "key": config.start_seed, "recipe": config.recipe}
    options |= {"steps": config.ascent_steps, "size": config.size or model.input_shape[:2]}
    made = [synthesize("activation-maximization", _at(model, weights), **options) for weights in kept]
    said: dict[str, list[int]] = {}
    for step, one in zip(found.steps, made, strict=True):
        for warning in one.warnings:
            said.setdefault(warning, []).append(step)
    warnings = [
        warning if len(steps) == len(made) else f"step{'s' * (len(steps) > 1)} {', '.join(map(str, steps))}: {warning}"
        for warning, steps in said.items()
    ]
    return replace(
        found,
        synthesised=layer,
        units=units,
        images=np.stack([np.asarray(one.images) for one in made]),
        activation=np.stack([np.asarray(one.activation) for one in made]),
        status=tuple(one.status for one in made),
        warnings=(*found.warnings, *warnings),
    )


def _at(model: Model, weights: Weights) -> Model:
    """The network with the weights of a step."""
    return model.with_params(with_weights(model.params, weights))
