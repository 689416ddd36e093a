"""Lookup by name: near matches, wrong kinds, contested names, plugin files."""

import json
from dataclasses import dataclass

import pytest
from fake_distributions import TECHNIQUE, cnnviz, install, listing

from cnnviz_jax.errors import PluginError, UnknownNameError
from cnnviz_jax.plugins import PluginInfo, Plugins, plugins, reset_plugins
from cnnviz_jax.plugins.loading import load_plugins
from cnnviz_jax.plugins.selection import Selection
from cnnviz_jax.plugins.specs import ModelSpec, TechniqueSpec


@dataclass(frozen=True)
class Config:
    pass


def technique(name, kind="explain"):
    return TechniqueSpec(name=name, kind=kind, summary="Rows", config=Config, build=len)


@pytest.fixture
def registry():
    made = Plugins(lambda path: pytest.fail(f"read {path}"))
    offered = {
        "cnnviz_techniques": [technique("occlusion"), technique("filters", "inspect"), technique("cam")],
        "cnnviz_models": [ModelSpec(name="shapes", summary="Small", build=len)],
    }
    made.add(PluginInfo("ours", "ours-dist", "1", {}), offered)
    made.add(PluginInfo("theirs", "theirs-dist", "1", {}), {"cnnviz_techniques": [technique("cam")]})
    return made


def test_mappings_are_sorted_by_name_and_leave_out_contested_names(registry):
    assert list(registry.techniques) == ["filters", "occlusion"]
    assert registry.models["shapes"].summary == "Small"


def test_an_unknown_name_gets_a_near_match_and_the_listing(registry):
    with pytest.raises(UnknownNameError) as raised:
        registry.technique("oclusion", "explain")
    assert str(raised.value) == (
        "no explain technique 'oclusion'. Did you mean 'occlusion'? `cnnviz techniques --kind explain` lists all 1."
    )


def test_the_wrong_kind_names_the_right_verb(registry):
    with pytest.raises(UnknownNameError, match=r"of kind inspect: use `cv.inspect` or `cnnviz inspect filters`"):
        registry.technique("filters", "explain")


def test_a_contested_name_is_an_error_naming_both_owners(registry):
    with pytest.raises(PluginError, match=r"'cam' is offered by ours-dist:ours and theirs-dist:theirs; disable all"):
        registry.technique("cam")
    with pytest.raises(PluginError, match="offered by ours-dist:ours and theirs-dist:theirs"):
        registry.owner("technique", "cam")


def test_the_owner_is_named_as_the_lists_take_it(registry):
    assert registry.owner("technique", "occlusion") == "ours-dist:ours"


def test_a_contested_name_leaves_everything_else_working_and_is_listed(tmp_path):
    for name in ("one", "two"):
        source = TECHNIQUE.format(name="contested") + TECHNIQUE.format(name=f"own-{name}").split("@hookimpl")[0]
        install(tmp_path / "site", f"{name}-dist", module=f"{name}_plugin", source=source)
    clash = listing(tmp_path / "site")["conflicts"][0]
    assert clash["owners"] == ["one-dist:one_plugin", "two-dist:two_plugin"]
    assert clash["name"] == "contested"
    done = cnnviz("explain", "contested", "shapes", "a.png", site=tmp_path / "site")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(
        "cnnviz: technique 'contested' is offered by one-dist:one_plugin and two-dist:two_plugin; disable all but one"
    )
    settled = cnnviz("techniques", "--json", site=tmp_path / "site", CNNVIZ_DISABLE_PLUGINS="two-dist:two_plugin")
    owners = {row["name"]: row["plugin"] for row in json.loads(settled.stdout)}
    assert owners["contested"] == "one-dist:one_plugin"


def test_plugins_are_loaded_once_until_forgotten():
    reset_plugins()
    first = plugins(quiet=True)
    assert plugins() is first
    reset_plugins()
    assert plugins(quiet=True) is not first


def test_a_plugin_file_adds_what_it_offers(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(TECHNIQUE.format(name="mine"))
    registry = load_plugins(Selection(builtins_only=True))
    assert registry.load_file(path).offers == {"technique": ("mine",)}
    assert registry.owner("technique", "mine") == str(path)
    with pytest.raises(PluginError, match="is loaded already; give it once"):
        registry.load_file(path)


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("1 / 0", "cannot be loaded: ZeroDivisionError: division by zero"),
        ("x = 1", "cannot be loaded: it implements no hook"),
        ("raise SystemExit(3)", "cannot be loaded: SystemExit: 3"),
    ],
)
def test_a_broken_plugin_file_is_an_error_because_it_was_asked_for(source, cause, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(source)
    registry = load_plugins(Selection(builtins_only=True))
    with pytest.raises(PluginError, match=cause):
        registry.load_file(path)
    path.write_text(TECHNIQUE.format(name="mended"))
    assert registry.load_file(path).offers == {"technique": ("mended",)}


def test_a_missing_plugin_file_is_an_error(tmp_path):
    with pytest.raises(PluginError, match="no plugin file"):
        load_plugins(Selection(builtins_only=True)).load_file(tmp_path / "none.py")
