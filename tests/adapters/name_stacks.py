"""What stands on the name stacks of a traced function: the scopes that layer names are read from."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def scopes_of(fn: Callable[..., Any], *args: Any) -> list[str]:
    """Return the scopes in program order, inner programs included, repeats next to each other once."""
    return [scope for scope in _walk(jax.make_jaxpr(fn)(*args).jaxpr, "") if scope]


def scopes_of_pure(pure: Any, shape: tuple[int, ...] = (1, 8, 8, 3)) -> list[str]:
    """Return the scopes of an adapted model."""
    return scopes_of(pure.fn, pure.params, jnp.ones(shape))


def _walk(jaxpr: Any, above: str) -> list[str]:
    found: list[str] = []
    for eqn in jaxpr.eqns:
        scope = "/".join(part for part in (above, str(eqn.source_info.name_stack)) if part)
        inner = [value for value in eqn.params.values() if hasattr(value, "jaxpr") or hasattr(value, "eqns")]
        for scopes in [_walk(getattr(value, "jaxpr", value), scope) for value in inner] or [[scope]]:
            found += [s for i, s in enumerate(scopes) if i or not found or found[-1] != s]
    return found
