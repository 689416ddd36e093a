"""The guarded loader: each plugin is imported and registered alone, and skipped if it fails.

`pluggy.PluginManager.load_setuptools_entrypoints` is not called: there one broken plugin ends the
program, and a second owner of an entry-point name is dropped without a word.
"""

import contextlib
import importlib.util
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pluggy

from cnnviz_jax.errors import PluginError
from cnnviz_jax.plugins import hookspecs
from cnnviz_jax.plugins.contract import HOOKS, checked, unknown_hooks
from cnnviz_jax.plugins.discovery import installed_plugins
from cnnviz_jax.plugins.registry import Plugins
from cnnviz_jax.plugins.reports import Disabled, PluginInfo, Skipped
from cnnviz_jax.plugins.selection import Selection
from cnnviz_jax.plugins.specs import Record


def load_plugins(selection: Selection) -> Plugins:
    """Return a registry of every installed plugin that the selection lets in.

    Raises:
        PluginError: A plugin cannot be loaded and the selection is strict.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    registry = Plugins(lambda path: _load_file(manager, path))
    candidates, unreadable = installed_plugins()
    registry.skipped += tuple(unreadable)
    if selection.strict and unreadable:
        raise PluginError(f"{unreadable[0].distribution}: {unreadable[0].cause}")
    registry.remarks += tuple(selection.unmatched([(found.name, found.distribution) for found in candidates]))
    owners: dict[str, str] = {}
    for found in candidates:
        refused_by = selection.refusal(found.name, found.distribution)
        if refused_by:
            registry.disabled += (Disabled(found.name, found.distribution, refused_by),)
            continue
        try:
            if found.name in owners:
                raise PluginError(
                    f"{owners[found.name]} already has a plugin named {found.name!r}; disable one of them, for"
                    f" example with CNNVIZ_DISABLE_PLUGINS={owners[found.name]}:{found.name}"
                )
            owners[found.name] = found.distribution
            offered = _register(manager, found.name, found.entry_point.load)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may even call sys.exit() while it is imported
            if selection.strict:
                raise PluginError(f"plugin {found.name!r} of {found.distribution}: {_cause(error)}") from error
            registry.skipped += (Skipped(found.name, found.distribution, _cause(error)),)
        else:
            registry.add(_info(found.name, found.distribution, found.version, offered), offered)
    return registry


def _register(manager: pluggy.PluginManager, name: str, import_it: Callable[[], Any]) -> dict[str, list[Record]]:
    """Import one plugin, register it and return its records by hook; on failure nothing stays registered."""
    with contextlib.redirect_stdout(sys.stderr):  # a plugin may print while it loads, and stdout may be carrying JSON
        plugin = import_it()
        manager.register(plugin, name)
        try:
            callers = manager.get_hookcallers(plugin) or []
            try:
                manager.check_pending()
            except pluggy.PluginValidationError as error:
                misspelt = [caller.name for caller in callers if not caller.has_spec()]
                raise PluginError(unknown_hooks(misspelt)) from error
            if not callers:
                raise PluginError(f"it implements no hook; mark one of {', '.join(HOOKS)} with `cnnviz_jax.hookimpl`")
            others = [other for other in manager.get_plugins() if other is not plugin]
            return {
                hook: [
                    record
                    for yielded in manager.subset_hook_caller(hook, remove_plugins=others)()
                    for record in checked(hook, yielded)
                ]
                for hook in HOOKS
            }
        except BaseException:
            manager.unregister(plugin)
            raise


def _load_file(manager: pluggy.PluginManager, path: Path) -> tuple[PluginInfo, dict[str, list[Record]]]:
    """Import and register an unpackaged plugin; here every failure is the asker's to see."""
    if not path.is_file():
        raise PluginError(f"no plugin file {str(path)!r}; give the path of a Python file that implements a hook")
    if manager.has_plugin(str(path)):
        raise PluginError(f"the plugin file {str(path)!r} is loaded already; give it once")

    def import_it() -> Any:
        module_name = f"cnnviz_plugin_file_{path.stem}_{zlib.crc32(str(path.resolve()).encode()):x}"
        spec = importlib.util.spec_from_file_location(module_name, path)
        if spec is None or spec.loader is None:
            raise PluginError("it is not a Python file; its name must end in .py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module  # dataclasses look their module up while they are defined
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[module_name]
            raise
        return module

    try:
        offered = _register(manager, str(path), import_it)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise PluginError(f"the plugin file {str(path)!r} cannot be loaded: {_cause(error)}") from error
    return _info(str(path), "file", "", offered), offered


def _info(name: str, distribution: str, version: str, offered: dict[str, list[Record]]) -> PluginInfo:
    offers = {HOOKS[hook][0]: tuple(record.name for record in found) for hook, found in offered.items() if found}
    return PluginInfo(name, distribution, version, offers)


def _cause(error: BaseException) -> str:
    """Return an error as one line; our own speak for themselves, others are named."""
    text = " ".join(str(error).split())
    return text if isinstance(error, PluginError) else f"{type(error).__name__}: {text}".rstrip(": ")
