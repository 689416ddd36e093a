"""Exporting a module for one size of image and any batch, and running the result in JAX."""

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import ConstantArgument, InputKind, OutputKind, TensorArgument

from cnnviz_jax.plugin import ModelError
from cnnviz_plugins.adapters.outputs import owned
from cnnviz_plugins.adapters.torch import walk


class Exported:
    """An exported program, ready to be evaluated on JAX arrays.

    Raises:
        ModelError: It calls operations that are not known here, even after PyTorch has rewritten them.
    """

    def __init__(self, program: ExportedProgram, title: str) -> None:
        """Rewrite the program where it writes over what it reads later, or calls what is not known."""
        with _quiet():
            if walk.writes_over_what_is_read(program.graph):
                program = program.run_decompositions({})
            unknown = walk.unknown_operations(program.graph)
            if unknown:
                program = program.run_decompositions()
                still = walk.unknown_operations(program.graph)
                if still:
                    raise ModelError(
                        f"{title} uses PyTorch operations that are not known in JAX here: {', '.join(still)}; "
                        "rewrite that part, or adapt the part of the network before it"
                    )
        self.program = program

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of image it was exported for; a free batch is given as 1."""
        return tuple(1 if i == 0 and self.any_batch else int(n) for i, n in enumerate(self._example.shape))

    @property
    def any_batch(self) -> bool:
        """Whether the batch was left free."""
        return isinstance(self._example.shape[0], torch.SymInt)

    @property
    def _example(self) -> Any:
        specs = self.program.graph_signature.input_specs
        name = next(s.arg.name for s in specs if s.kind == InputKind.USER_INPUT and isinstance(s.arg, TensorArgument))
        return next(node.meta["val"] for node in self.program.graph.nodes if node.name == name)

    def __call__(self, params: Mapping[str, Any], x: Any, names: Mapping[str, str]) -> Any:
        """Return the outputs; `names` gives the parameter that stands for each of the program's own."""
        signature = self.program.graph_signature
        given: dict[str, Any] = {}
        for spec in signature.input_specs:
            if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER):
                given[spec.arg.name] = params[names[spec.target or ""]]
            elif spec.kind == InputKind.CONSTANT_TENSOR:
                given[spec.arg.name] = array_of(self.program.constants[spec.target or ""], spec.target or "")
            elif isinstance(spec.arg, ConstantArgument):
                given[spec.arg.name] = spec.arg.value
            else:
                given[spec.arg.name] = x
        values = walk.evaluate(self.program.graph, given)
        kept = [v for v, s in zip(values, signature.output_specs, strict=True) if s.kind == OutputKind.USER_OUTPUT]
        out = self.program.call_spec.out_spec
        return kept[0] if out is None else _plain(torch.utils._pytree.tree_unflatten(kept, out))


def _plain(outputs: Any) -> Any:
    """Return outputs in containers that JAX knows: a library's own mappings, as transformers has them, are dicts."""
    if isinstance(outputs, Mapping):
        return {name: _plain(value) for name, value in outputs.items()}
    if type(outputs) in (list, tuple):
        return type(outputs)(map(_plain, outputs))
    return outputs


def exported(module: torch.nn.Module, shape: tuple[int, ...], title: str) -> Exported:
    """Return the module exported for images of one shape, for any batch where it allows that, else for this one.

    Args:
        module: The module in inference mode.
        shape: (n, c, h, w), or whatever it takes.
        title: Its name in errors.

    Raises:
        ModelError: PyTorch cannot export it, or it calls operations that are not known here.
    """
    # A batch of two, because PyTorch takes a length of one as a constant.
    attempts: list[tuple[int, Any]] = [(2, ({0: torch.export.Dim("n")},)), (shape[0], None)]
    failure = ""
    for batch, free in attempts:
        example = torch.zeros((batch, *shape[1:]), dtype=dtype_of(module))
        with _quiet(), torch.no_grad():
            try:
                return Exported(torch.export.export(module, (example,), dynamic_shapes=free), title)
            except ModelError:
                raise
            except Exception as error:
                failure = f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no message'])[0]}"
    raise ModelError(
        f"{title} cannot be exported by torch.export for images of shape {shape}; its forward must not depend on "
        f"the numbers in an array ({failure})"
    )


def dtype_of(module: torch.nn.Module) -> torch.dtype:
    """Return the dtype a module computes in: that of its first parameter of floating point."""
    return next((p.dtype for p in module.parameters() if p.dtype.is_floating_point), torch.float32)


def array_of(tensor: torch.Tensor, path: str) -> jax.Array:
    """Return a tensor's numbers as a JAX array that shares no memory with it.

    Raises:
        ModelError: The tensor has no numbers, or is not stored densely.
    """
    if tensor.is_meta:
        raise ModelError(f"parameter {path} is a shape without numbers (on the meta device); load its weights first")
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise ModelError(f"parameter {path} is sparse or quantised; convert it to a plain tensor first")
    plain = tensor.detach().cpu()
    if plain.dtype == torch.bfloat16:
        return owned(plain.float().numpy(), path).astype(jnp.bfloat16)
    return owned(plain.numpy(), path)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence PyTorch's deprecations of its own parts, and keep transformers from their opaque fast path."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
