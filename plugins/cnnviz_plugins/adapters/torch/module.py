"""PyTorch: `cv.adapt(module, input_shape=...)`. A copy in inference mode is exported; the module is left as it is."""

import copy
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import torch
from jaxtyping import Array, Float
from torch.export import ExportedProgram

from cnnviz_jax.plugin import AdaptOptions, ModelError, PureModel
from cnnviz_plugins.adapters.call_flags import bound_method, inference_kwargs
from cnnviz_plugins.adapters.outputs import pure_model
from cnnviz_plugins.adapters.torch.exported import Exported, array_of, dtype_of, exported
from cnnviz_plugins.adapters.torch.operations import dtype_of as jax_dtype


def build(native: Any, args: tuple[Any, ...], options: AdaptOptions) -> PureModel:
    """Return a PyTorch module, or a program that `torch.export` made of one, as a `PureModel`.

    Args:
        native: The module, in either mode, or the exported program.
        args: Nothing: a module holds its own parameters.
        options: Layout, method and keyword arguments; inference flags of the call are found.

    Raises:
        ModelError: More than the module was given, or its call takes other arguments.
    """
    if args:
        raise ModelError(f"{type(native).__name__} holds its own parameters; cv.adapt(module, ...) takes no more")
    if isinstance(native, ExportedProgram):
        return _of_program(native, options)
    if isinstance(native, torch.jit.ScriptModule):
        raise ModelError("a ScriptModule cannot be exported; adapt the module that it was made from")
    title = type(native).__name__
    twin = _in_inference(native, options)
    tensors = {
        **dict(native.named_parameters(remove_duplicate=False)),
        **dict(native.named_buffers(remove_duplicate=False)),
    }
    names, params = _parameters(tensors)
    dtype = jax_dtype(dtype_of(native))
    programs: dict[tuple[int, ...], Exported] = {}

    def fn(params: Any, x: Float[Array, "n ..."]) -> Any:
        known = programs.get(x.shape[1:]) or programs.get(x.shape)
        if known is None:
            known = exported(twin, x.shape, title)
            programs[x.shape[1:] if known.any_batch else x.shape] = known
        # PyTorch promotes numbers by rules of its own; its code is not written for strict promotion.
        with jax.numpy_dtype_promotion("standard"):
            return known(params, x.astype(dtype), names)

    return pure_model(fn, params, options, framework="torch", name=title, axes="NCHW")


def _in_inference(module: torch.nn.Module, options: AdaptOptions) -> torch.nn.Module:
    """Return a copy in inference mode that shares the parameters, and calls what the options say."""
    shared = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    twin = copy.deepcopy(module, shared).eval()
    method = options.method or "forward"
    call = bound_method(twin, method, type(module).__name__)
    kwargs = inference_kwargs(call, options, operands=("x",))
    if kwargs or method != "forward":
        twin.forward = functools.partial(call, **kwargs)
    return twin


def _of_program(program: ExportedProgram, options: AdaptOptions) -> PureModel:
    """Return an exported program as a `PureModel`; its sizes are those it was exported for."""
    if options.method is not None or options.call_kwargs is not None:
        raise ModelError("an exported program is called as it was exported; it has no methods and takes no keywords")
    known = Exported(program, "the exported program")
    names, params = _parameters(known.program.state_dict)
    shape = known.input_shape

    def fn(params: Any, x: Float[Array, "n ..."]) -> Any:
        with jax.numpy_dtype_promotion("standard"):
            if known.any_batch or x.shape[0] == shape[0]:
                return known(params, x, names)
            if shape[0] > 1:
                raise ModelError(f"the program was exported for batches of {shape[0]}; export it for 1, or for any")
            each = jax.vmap(lambda one: known(params, one, names))(jnp.expand_dims(x, 1))
            return jax.tree.map(lambda value: value[:, 0], each)

    size = (shape[2], shape[3], shape[1]) if len(shape) == 4 else None
    return pure_model(fn, params, options, framework="torch", name="exported", axes="NCHW", input_shape=size)


def _parameters(tensors: Mapping[str, torch.Tensor]) -> tuple[dict[str, str], dict[str, jax.Array]]:
    """Return the name under which each name's numbers are kept, and the numbers; tied weights are kept once."""
    first: dict[int, str] = {}
    names = {name: first.setdefault(id(tensor), name) for name, tensor in tensors.items()}
    return names, {name: array_of(tensors[name], name) for name in dict.fromkeys(names.values())}
