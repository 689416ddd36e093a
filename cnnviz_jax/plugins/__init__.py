"""The plugin registry: loaded once per process, on first use, and asked by name ever after.

`plugins()` is the one entry point. Everything a plugin offers is a frozen record (`cnnviz_jax.plugins.specs`);
no code outside this folder touches pluggy. Light: imports no jax, flax, optax, matplotlib or numpy.
"""

import os
import sys
import threading

from cnnviz_jax.errors import PluginError
from cnnviz_jax.plugins.loading import load_plugins
from cnnviz_jax.plugins.registry import Plugins
from cnnviz_jax.plugins.reports import PluginInfo, Skipped
from cnnviz_jax.plugins.selection import Selection

__all__ = ["PluginInfo", "Plugins", "Selection", "Skipped", "plugins", "reset_plugins"]

_lock = threading.RLock()
_loaded: Plugins | None = None
_is_loading = False


def plugins(*, builtins_only: bool = False, quiet: bool = False) -> Plugins:
    """Return the registry of this process, loading every allowed plugin the first time.

    Plugins that cannot be loaded are skipped and named once on stderr; the rest works.

    Args:
        builtins_only: Load only what this project's own distribution brings. Counts only in the
            call that loads, which in the command line is the first.
        quiet: Keep the notes about plugins that were skipped off stderr.

    Raises:
        PluginError: A plugin asked for the registry while being loaded, or a plugin cannot be
            loaded and `CNNVIZ_PLUGINS_STRICT=1` is set.
    """
    global _loaded, _is_loading
    with _lock:
        if _loaded is None:
            if _is_loading:
                raise PluginError("the plugin registry was asked for while plugins load; ask for it inside a function")
            _is_loading = True
            try:
                _loaded = load_plugins(Selection.from_environment(os.environ, builtins_only=builtins_only))
            finally:
                _is_loading = False
            if not quiet:
                for note in _loaded.notes():
                    print(f"cnnviz: {note}", file=sys.stderr)
        return _loaded


def reset_plugins() -> None:
    """Forget the loaded registry, so that the next `plugins()` loads anew; for tests."""
    global _loaded
    with _lock:
        _loaded = None
