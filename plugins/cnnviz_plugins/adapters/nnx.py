"""Flax NNX: `cv.adapt(module, ...)`. The user's object is read, never written to.

Marks travel with the modules: each callable module of the copy carries its paths as a static
attribute, which survives `nnx.jit`, `nnx.remat` and `nnx.scan` inside the model, where every call
sees new objects.
"""

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
from flax import nnx

from cnnviz_jax.plugin import AdaptOptions, ModelError, PureModel
from cnnviz_plugins.adapters.call_flags import INFERENCE, bound_method, inference_kwargs, with_streams
from cnnviz_plugins.adapters.outputs import check_names, dotted, owned, pure_model
from cnnviz_plugins.adapters.scopes import naming, scoped

_MARK = "_cnnviz_paths"


def build(native: Any, args: tuple[Any, ...], options: AdaptOptions) -> PureModel:
    """Return an NNX module as a `PureModel` over a flat dictionary of its variables.

    Args:
        native: The module, or its graphdef.
        args: Nothing for a module; the states that `nnx.split` returned for a graphdef.
        options: Layout, method and keyword arguments; inference flags of the signature are found.

    Raises:
        ModelError: More than the module was given, or its call takes other arguments.
    """
    module = _module(native, args)
    title = type(module).__name__
    method = options.method or "__call__"
    kwargs = inference_kwargs(bound_method(module, method, title), options, operands=("x",), streams=True)

    twin = nnx.merge(*nnx.split(module))
    if (with_vars := getattr(nnx, "with_vars", getattr(nnx, "vars_as", None))) is not None:
        twin = with_vars(twin, hijax=False)  # variables that are hijax objects are plain ones in the copy
    places = _places(twin, order=module)
    for place in places.values():
        if isinstance(place.node, nnx.Module):
            _into_inference(place.node)
            _mark(place)
    graph, state = nnx.split(twin)
    params, restore = _parameters(state, twin, places)
    classes = {type(place.node) for place in places.values()}

    def fn(params: Any, x: Any) -> Any:
        copy = nnx.merge(graph, restore(params))
        with naming(_paths_of, classes):
            return bound_method(copy, method, title)(x, **with_streams(kwargs, lambda: nnx.Rngs(0)))

    aliases = _aliases(places.values())
    return pure_model(fn, params, options, framework="nnx", name=title, layer_aliases=aliases)


def _module(native: Any, args: tuple[Any, ...]) -> nnx.Module:
    if type(native) is tuple:
        native, args = native[0], (*native[1:], *args)
    if isinstance(native, nnx.GraphDef):
        if not args:
            raise ModelError("a graphdef needs its state: cv.adapt(graphdef, state, ...)")
        return nnx.merge(native, *args)
    if args:
        title = type(native).__name__
        raise ModelError(f"{title} holds its own parameters; cv.adapt(module, ...) takes no more, got {len(args)}")
    return native


@dataclasses.dataclass
class _Place:
    """One object of the model and every path that leads to it, in the order the user wrote them."""

    node: Any
    paths: list[str]
    spelled: list[str]
    """The same paths as NNX spells them, with the `layers` of every Sequential."""


_MOST_PATHS = 16
"""Paths kept for one object; modules shared at every level would have exponentially many."""


def _places(twin: nnx.Module, *, order: nnx.Module) -> dict[int, _Place]:
    """Return the modules and containers of `twin` by id; `order`, its original, still has its attributes' order."""
    places: dict[int, _Place] = {}

    def walk(node: Any, original: Any, path: str, spelled: str, above: frozenset[int]) -> None:
        place = places.setdefault(id(node), _Place(node, [], []))
        if id(node) in above or len(place.paths) >= _MOST_PATHS:
            return
        place.paths.append(path)
        place.spelled.append(spelled)
        for key in _keys(original):
            # A Sequential's children are called by their number, as its index and other frameworks have it.
            hidden = isinstance(node, nnx.Sequential) and key == "layers"
            child = path if hidden else _joined(path, key)
            walk(_child(node, key), _child(original, key), child, _joined(spelled, key), above | {id(node)})

    walk(twin, order, "", "", frozenset())
    return places


def _keys(node: Any) -> list[Any]:
    if isinstance(node, nnx.Pytree):
        return [key for key in vars(node) if not key.startswith("_pytree__") and _is_inner(vars(node)[key])]
    keys = node.keys() if isinstance(node, Mapping) else range(len(node))
    return [key for key in keys if _is_inner(node[key])]


def _is_inner(value: Any) -> bool:
    return isinstance(value, nnx.Pytree | Mapping | list | tuple) and not isinstance(value, nnx.State)


def _child(node: Any, key: Any) -> Any:
    return getattr(node, str(key)) if isinstance(node, nnx.Pytree) else node[key]


def _joined(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _into_inference(node: nnx.Module) -> None:
    """Put one module of the copy into inference mode, as `nnx.view` does and by its own attributes."""
    if hasattr(node, "set_view"):
        accepted = inspect.signature(node.set_view).parameters
        anything = any(parameter.kind == parameter.VAR_KEYWORD for parameter in accepted.values())
        flags = {"deterministic": True, "use_running_average": True}
        node.set_view(**{name: value for name, value in flags.items() if anything or name in accepted})
    for name, value in INFERENCE.items():
        if isinstance(vars(node).get(name), bool):
            setattr(node, name, value)


def _mark(place: _Place) -> None:
    """Write a module's paths on it, and name the functions that stand in a Sequential."""
    node = place.node
    if isinstance(node, nnx.Sequential):
        for i, layer in enumerate(node.layers):
            if callable(layer) and not isinstance(layer, nnx.Pytree):
                node.layers[i] = scoped(layer, tuple(_joined(path, i) for path in place.paths))
    if callable(node) and not isinstance(node, nnx.Dict):  # attributes of a Dict are its items
        setattr(node, _MARK, "\n".join(place.paths))


def _aliases(places: Iterable[_Place]) -> dict[str, str]:
    """Return the names NNX gives to what stands in a Sequential -> ours, without `layers`."""
    aliases = {}
    for place in places:
        if not isinstance(place.node, nnx.Module):
            continue
        inner = range(len(place.node.layers)) if isinstance(place.node, nnx.Sequential) else ()
        for own, ours in zip(place.spelled, place.paths, strict=True):
            aliases[own] = ours
            aliases |= {_joined(own, f"layers.{i}"): _joined(ours, i) for i in inner}
    return {own: ours for own, ours in aliases.items() if own != ours}


def _paths_of(module: Any) -> tuple[str, ...]:
    mark = getattr(module, _MARK, "")
    return tuple(mark.split("\n")) if mark else ()


def _parameters(
    state: Any, twin: nnx.Module, places: Mapping[int, _Place]
) -> tuple[dict[str, jax.Array], Callable[[Any], Any]]:
    """Return the state as {path: array} and what makes a state of such a dictionary again."""
    entries, tree = jax.tree_util.tree_flatten_with_path(state)
    names = [_name(keys, twin, places) for keys, _ in entries]
    check_names(names)

    def restore(params: Mapping[str, Any]) -> Any:
        return jax.tree.unflatten(tree, [params[name] for name in names])

    return {name: owned(leaf, name) for name, (_, leaf) in zip(names, entries, strict=True)}, restore


def _name(keys: tuple[Any, ...], twin: nnx.Module, places: Mapping[int, _Place]) -> str:
    """Return a leaf's path by the first way to the module that owns it, without Variable's `value`."""
    parts = [key for key in keys if not (isinstance(key, jax.tree_util.GetAttrKey) and key.name == "value")]
    node: Any = twin
    path = ""
    for i, key in enumerate(parts):
        word = dotted((key,))
        child = getattr(node, word, None) if isinstance(node, nnx.Pytree) else node[key.key]
        if id(child) not in places:
            return _joined(path, dotted(parts[i:]))
        node, path = child, places[id(child)].paths[0]
    return path
