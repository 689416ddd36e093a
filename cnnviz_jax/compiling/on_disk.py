"""Compiled programs kept on disk, so that the next process compiles nothing that an earlier one has compiled."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

from cnnviz_jax.errors import UsageError

_LIMIT_BYTES = 2**30
_SETTINGS = {
    "JAX_ENABLE_COMPILATION_CACHE": "true",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}


def use_compile_cache(choice: str | os.PathLike[str] | None = None) -> Path | None:
    """Keep compiled programs in a private folder, or in `choice`, from now on; return the folder.

    The private one belongs to this jaxlib and this processor, as what lies there is native code. Above 1 GiB the
    oldest programs are removed first. Commands do this by themselves; `CNNVIZ_COMPILE_CACHE` names another folder for
    them, or `off`.

    Args:
        choice: A folder, or `off`, which keeps none; `None` for the private one.

    Returns:
        The folder; `None` where none is kept: `off`, or a home that cannot be written.

    Raises:
        UsageError: The folder named cannot be made.
    """
    if choice == "off":
        _say("JAX_ENABLE_COMPILATION_CACHE", "false")
        return None
    folder = Path(choice) if choice else _private()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        if choice:
            raise UsageError(f"no compile cache at {folder}: {error.strerror}") from error
        return None  # a home that cannot be written only costs time
    _shrink(folder, _LIMIT_BYTES)
    for name, value in {**_SETTINGS, "JAX_COMPILATION_CACHE_DIR": str(folder)}.items():
        _say(name, value)
    return folder


def use_compile_cache_of_commands() -> None:
    """Do as `use_compile_cache` for a command: as its environment says, and not where JAX's own settings do."""
    told = {"JAX_ENABLE_COMPILATION_CACHE", "JAX_COMPILATION_CACHE_DIR"} & os.environ.keys()
    if "jax" not in sys.modules and not told:
        use_compile_cache(os.environ.get("CNNVIZ_COMPILE_CACHE"))


def held_bytes(folder: Path) -> int:
    """Return how many bytes of compiled programs lie in a folder."""
    return sum(size for _, size, _ in _programs(folder))


def _say(name: str, value: str) -> None:
    """Tell JAX, which reads its environment when it is imported, and this process's children."""
    os.environ[name] = value
    if "jax" in sys.modules:
        import jax
        from jax.experimental.compilation_cache import compilation_cache

        old = getattr(jax.config, name.lower())
        parsed = value == "true" if isinstance(old, bool) else value if old is None else type(old)(value)
        jax.config.update(name.lower(), parsed)
        compilation_cache.reset_cache()  # JAX opens the folder once, when it first compiles


def _private() -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "cnnviz" / "compiled" / _machine()


def _programs(folder: Path) -> list[tuple[float, int, str]]:
    """When each file was written, its size and its path."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                if entry.is_file(follow_symlinks=False):
                    facts = entry.stat(follow_symlinks=False)
                    found.append((facts.st_mtime, facts.st_size, entry.path))
            except FileNotFoundError:  # another process shrinks the folder, too
                continue
    return found


def _shrink(folder: Path, limit: int) -> None:
    """Remove the programs written first until the rest is a quarter below `limit`, if all together are above it."""
    programs = sorted(_programs(folder))
    held = sum(size for _, size, _ in programs)
    if held <= limit:
        return
    for _, size, path in programs:
        if held <= 0.75 * limit:
            return
        Path(path).unlink(missing_ok=True)
        held -= size


def _machine() -> str:
    """Return jaxlib's version and a hash of what this CPU can do: what lies in the cache is native code."""
    features = platform.machine() + platform.processor()
    try:
        with open("/proc/cpuinfo") as lines:
            features += next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        pass
    return f"{metadata.version('jaxlib')}-{hashlib.sha256(features.encode()).hexdigest()[:12]}"
