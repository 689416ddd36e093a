"""Compiled programs: one cache in memory, one on disk, and the options each backend wants.

Light: JAX is imported when the first program is compiled, because it reads where to keep programs on disk
(`use_compile_cache`) when it is imported.
"""

from cnnviz_jax.compiling.batches import in_batches, in_batches_on_host
from cnnviz_jax.compiling.collection import without_collection
from cnnviz_jax.compiling.on_disk import held_bytes, use_compile_cache, use_compile_cache_of_commands
from cnnviz_jax.compiling.options import (
    compiler_options,
    compiling_quickly,
    is_to_be_compiled_quickly,
    traced_to_be_compiled,
)
from cnnviz_jax.compiling.programs import (
    Executable,
    abstract,
    compilations,
    compiled,
    shapes_returned,
)

__all__ = [
    "Executable",
    "abstract",
    "compilations",
    "compiled",
    "compiler_options",
    "compiling_quickly",
    "held_bytes",
    "in_batches",
    "in_batches_on_host",
    "is_to_be_compiled_quickly",
    "shapes_returned",
    "traced_to_be_compiled",
    "use_compile_cache",
    "use_compile_cache_of_commands",
    "without_collection",
]
