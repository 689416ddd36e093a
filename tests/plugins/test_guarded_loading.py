"""One broken plugin never takes another down, and each culprit is named with its cause."""

import json

import pytest
from fake_distributions import TECHNIQUE, cnnviz, install, listing, python, strangers

BROKEN = {
    "import-error": ("import surely_not_installed", "ModuleNotFoundError: No module named 'surely_not_installed'"),
    "syntax-error": ("def (:", "SyntaxError: invalid syntax"),
    "exits": ("import sys; sys.exit('leaving')", "SystemExit: leaving"),
    "no-hook": ("value = 1", "it implements no hook; mark one of cnnviz_adapters"),
    "raises": (
        "from cnnviz_jax import hookimpl\n@hookimpl\ndef cnnviz_models():\n    raise OSError('no disk')",
        "OSError: no disk",
    ),
    "yields-a-number": (
        "from cnnviz_jax import hookimpl\n@hookimpl\ndef cnnviz_models():\n    yield 3",
        "cnnviz_models yielded 3; it must yield ModelSpec records",
    ),
    "raises-after-yielding": (TECHNIQUE.format(name="early") + "    raise OSError('no disk')", "OSError: no disk"),
    "wants-arguments": (
        "from cnnviz_jax import hookimpl\n@hookimpl\ndef cnnviz_models(config):\n    return []",
        "Argument(s) {'config'} are declared in the hookimpl but can not be found in the hookspec",
    ),
    "asks-while-loading": (
        "from cnnviz_jax.plugins import plugins\nplugins()",
        "the plugin registry was asked for while plugins load",
    ),
}

RECORD = "TechniqueSpec(name='x', kind='explain', summary='Rows', config=Config, build=len)"
MISSPELT = TECHNIQUE.replace("cnnviz_techniques", "cnnviz_tecniques")


@pytest.fixture
def four(tmp_path):
    """Good, import error, misspelt hook, duplicate name."""
    site = tmp_path / "site"
    install(site, "good-dist", module="good_plugin", source=TECHNIQUE.format(name="good-rows"))
    install(site, "broken-dist", module="broken_plugin", source=BROKEN["import-error"][0])
    install(site, "misspelt-dist", module="misspelt_plugin", source=MISSPELT.format(name="lost-rows"))
    install(
        site,
        "twin-dist",
        module="twin_plugin",
        source=TECHNIQUE.format(name="twin-rows"),
        entry_point="good_plugin",
    )
    return site


def test_with_four_distributions_the_good_one_works_and_each_culprit_is_named_with_its_cause(four):
    found = listing(four)
    loaded = strangers(found["loaded"])
    assert loaded["good_plugin"]["distribution"] == "good-dist"
    assert loaded["good_plugin"]["offers"] == {"technique": ["good-rows"]}
    skipped_plugin = {(row["name"], row["distribution"]): row["cause"] for row in found["skipped"]}
    assert skipped_plugin["broken_plugin", "broken-dist"] == BROKEN["import-error"][1]
    assert skipped_plugin["misspelt_plugin", "misspelt-dist"] == (
        "there is no hook 'cnnviz_tecniques'; did you mean 'cnnviz_techniques'?"
    )
    assert skipped_plugin["good_plugin", "twin-dist"] == (
        "good-dist already has a plugin named 'good_plugin'; disable one of them, for example with"
        " CNNVIZ_DISABLE_PLUGINS=good-dist:good_plugin"
    )


def test_each_plugin_set_aside_is_named_once_on_stderr_and_stdout_stays_json(four):
    done = cnnviz("techniques", "--json", site=four)
    offered = {row["name"] for row in json.loads(done.stdout)}
    assert "good-rows" in offered
    assert not offered & {"lost-rows", "twin-rows"}
    for name in ("broken_plugin", "misspelt_plugin"):
        assert done.stderr.count(f"plugin '{name}' of") == 1
    assert "Traceback" not in done.stderr


def test_disabling_one_of_two_plugins_of_one_name_lets_the_other_in(four):
    found = listing(four, CNNVIZ_DISABLE_PLUGINS="good-dist:good_plugin")
    assert strangers(found["loaded"])["good_plugin"]["distribution"] == "twin-dist"
    assert [row["distribution"] for row in found["disabled"]] == ["good-dist"]


@pytest.mark.parametrize("fault", BROKEN)
def test_a_plugin_that_fails_is_set_aside_whole(fault, tmp_path):
    source, cause = BROKEN[fault]
    install(tmp_path / "site", "bad-dist", module="bad_plugin", source=source)
    install(tmp_path / "site", "good-dist", module="zgood_plugin", source=TECHNIQUE.format(name="good-rows"))
    found = listing(tmp_path / "site")
    assert cause in strangers(found["skipped"])["bad_plugin"]["cause"]
    assert list(strangers(found["loaded"])) == ["zgood_plugin"]
    assert strangers(found["loaded"])["zgood_plugin"]["offers"] == {"technique": ["good-rows"]}


def test_a_good_hook_beside_a_misspelt_one_is_not_half_registered(tmp_path):
    source = TECHNIQUE.format(name="half") + "\n@hookimpl\ndef cnnviz_renderes():\n    return []\n"
    install(tmp_path / "site", "half-dist", module="half_plugin", source=source)
    done = cnnviz("techniques", "--json", site=tmp_path / "site")
    assert "half" not in {row["name"] for row in json.loads(done.stdout)}
    assert "there is no hook 'cnnviz_renderes'; did you mean 'cnnviz_renderers'?" in done.stderr


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("name='x'", "name='two words'"), "name is not letters, digits, `-`, `_`, `+` and `.`"),
        (("kind='explain'", "kind='explane'"), "kind is 'explane', not one of explain, synthesize"),
        (("frozen=True", "frozen=False"), "config Config is not a frozen dataclass"),
        (("config=Config", "config=int"), "config is <class 'int'>, not a dataclass"),
        (("build='builtins:len'", "build='builtins'"), "neither callable nor 'package.module:attribute'"),
        (("yield TechniqueSpec", "return TechniqueSpec"), "it must yield records or return a list of them"),
        (("    yield TechniqueSpec", f"    yield {RECORD}\n    yield TechniqueSpec"), "technique 'x' twice"),
    ],
)
def test_a_record_that_breaks_the_contract_sets_its_plugin_aside(change, fault, tmp_path):
    source = TECHNIQUE.format(name="x").replace('"', "'")
    assert change[0] in source
    install(tmp_path / "site", "bad-dist", module="bad_plugin", source=source.replace(*change))
    found = listing(tmp_path / "site")
    assert fault in strangers(found["skipped"])["bad_plugin"]["cause"]


def test_what_a_plugin_prints_while_loading_does_not_spoil_the_json(tmp_path):
    source = "print('hello from the plugin')\n" + TECHNIQUE.format(name="loud")
    install(tmp_path / "site", "loud-dist", module="loud_plugin", source=source)
    assert "loud_plugin" in strangers(listing(tmp_path / "site")["loaded"])


def test_an_unreadable_entry_points_file_harms_only_its_own_distribution(tmp_path):
    site = tmp_path / "site"
    install(site, "good-dist", module="good_plugin", source=TECHNIQUE.format(name="good-rows"))
    install(site, "garbled-dist", module="garbled_plugin", source="")
    (site / "garbled_dist-1.2.dist-info" / "entry_points.txt").write_text("[cnnviz_jax]\nno equals sign\n")
    found = listing(site)
    assert "good_plugin" in strangers(found["loaded"])
    garbled = [row for row in found["skipped"] if "garbled_dist" in row["distribution"]]
    assert garbled[0]["cause"].startswith("its entry_points.txt cannot be read: TypeError")


def test_strict_makes_the_first_broken_plugin_an_error(tmp_path):
    install(tmp_path / "site", "bad-dist", module="bad_plugin", source="1 / 0")
    done = cnnviz("plugins", site=tmp_path / "site", CNNVIZ_PLUGINS_STRICT="1", CNNVIZ_PLUGINS="bad_plugin")
    assert done.returncode == 2
    assert done.stderr == "cnnviz: plugin 'bad_plugin' of bad-dist: ZeroDivisionError: division by zero\n"


def test_an_interrupt_while_a_plugin_loads_is_an_interrupt(tmp_path):
    install(tmp_path / "site", "bad-dist", module="bad_plugin", source="raise KeyboardInterrupt")
    done = cnnviz("plugins", site=tmp_path / "site")
    assert (done.returncode, done.stderr) == (130, "cnnviz: interrupted\n")


def test_without_an_installed_distribution_the_lack_is_named_and_nothing_is_imported_behind_its_back(tmp_path):
    source = __import__("cnnviz_jax").__path__[0]
    (tmp_path / "cnnviz_jax").symlink_to(source)
    code = (
        "import sys; from importlib import metadata; import cnnviz_jax.plugins.discovery as d\n"
        "found = metadata.distributions\n"
        "metadata.distributions = lambda: (x for x in found() if x.metadata['Name'] != 'cnnviz-jax')\n"
        "from cnnviz_jax.plugins import plugins\n"
        "try: plugins().technique('occlusion')\n"
        "except Exception as error: print(error)\n"
        "print([name for name in sys.modules if name.startswith('cnnviz_plugins')])"
    )
    done = python("-c", code, site=tmp_path)
    assert "run `pip install .` (or `pip install -e .`) in the checkout" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
