"""`cnnviz doctor`: does this installation work, and on what does it run?"""

import os
import platform
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.tables import print_json, show
from cnnviz_jax.cli.values import listing_parser
from cnnviz_jax.compiling import held_bytes, use_compile_cache_of_commands
from cnnviz_jax.plugins import Plugins

State = Literal["ok", "note", "fail"]

DISTRIBUTIONS = ("cnnviz-jax", "jax", "jaxlib", "flax", "optax", "numpy", "orbax-checkpoint", "matplotlib", "pluggy")
"""What cannot be missing."""


@dataclass(frozen=True)
class Check:
    """One thing looked at."""

    check: str
    """What was looked at."""
    state: State
    """`ok`; `note` for what the user may want to know; `fail` for what stops the work."""
    found: str
    """What was found."""


def run(words: list[str], settings: Settings) -> int:
    """Look at everything the work needs; exit code 1 if anything fails."""
    parser = listing_parser("cnnviz doctor", "Check versions, plugins, devices, memory, the compiler and its cache.")
    found = parser.parse_args(words)
    host_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    checks = [
        *_versions(),
        *_plugins(settings.plugins(quiet=True)),
        Check("host memory", "ok", f"{_gib(host_bytes)} GiB, {os.cpu_count()} processors"),
        *_compiler(),
    ]
    healthy = all(check.state != "fail" for check in checks)
    if found.json:
        print_json({"healthy": healthy, "checks": [asdict(check) for check in checks]})
    else:
        show([asdict(check) for check in checks], as_json=False, empty="")
    return 0 if healthy else 1


def _versions() -> list[Check]:
    checks = [Check("python", "ok", f"{platform.python_version()} on {platform.platform()}")]
    for name in DISTRIBUTIONS:
        try:
            checks.append(Check(name, "ok", metadata.version(name)))
        except metadata.PackageNotFoundError:
            checks.append(Check(name, "fail", "not installed; `pip install .` in the checkout brings it"))
    return checks


def _plugins(registry: Plugins) -> list[Check]:
    sorts = ("adapters", "models", "techniques", "renderers")
    offered = [f"{len(getattr(registry, sort))} {sort}" for sort in sorts]
    checks = [Check("plugins", "ok" if registry.loaded else "fail", f"{len(registry.loaded)}: {', '.join(offered)}")]
    checks += [Check(f"plugin {each.name}", "fail", f"skipped: {each.cause}") for each in registry.skipped]
    checks += [Check(f"plugin {other.name}", "note", f"disabled by {other.cause}") for other in registry.disabled]
    checks += [Check(f"{clash.sort} {clash.name}", "fail", clash.cause) for clash in registry.conflicts]
    checks += [Check("plugin lists", "note", remark) for remark in registry.remarks]
    return checks


def _compiler() -> list[Check]:
    use_compile_cache_of_commands()
    try:
        import jax

        devices = jax.devices()
    except Exception as error:  # a broken accelerator driver can fail in any way; the doctor reports it
        return [Check("devices", "fail", f"{type(error).__name__}: {error}")]
    checks = [Check("devices", "ok", f"{jax.default_backend()}: {', '.join(str(device) for device in devices)}")]
    for device in devices:
        limits = device.memory_stats() or {}
        if "bytes_limit" in limits:
            free = limits["bytes_limit"] - limits.get("bytes_in_use", 0)
            checks.append(Check(f"memory of {device}", "ok", f"{_gib(free)} of {_gib(limits['bytes_limit'])} GiB free"))
    checks.append(_jit())
    checks.append(_options())
    folder: str | None = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    kept = "off; CNNVIZ_COMPILE_CACHE=FOLDER keeps compiled programs there"
    if folder:
        held = held_bytes(Path(folder)) / 2**20
        kept = f"compiled programs are kept in {folder} ({held:.0f} MiB); CNNVIZ_COMPILE_CACHE=off keeps none"
    checks.append(Check("compilation cache", "ok" if folder else "note", kept))
    return checks


def _jit() -> Check:
    import jax
    import jax.numpy as jnp

    try:
        total = float(jax.jit(lambda x: (x * x).sum())(jnp.arange(4.0)))
    except Exception as error:
        return Check("jit", "fail", f"a trivial program does not run: {type(error).__name__}: {error}")
    right = total == 14.0
    return Check(
        "jit", "ok" if right else "fail", "a trivial program runs" if right else f"0+1+4+9 gave {total}, not 14"
    )


def _options() -> Check:
    import jax

    from cnnviz_jax.compiling import compiler_options

    accepted = compiler_options()
    if accepted:
        return Check("compile options", "ok", f"accepted: {', '.join(accepted)}")
    if jax.default_backend() != "cpu":
        return Check("compile options", "ok", "none are wanted on this backend")
    return Check("compile options", "note", "this XLA knows none of those that speed up convolutions on the CPU")


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f}"
