"""Allow and deny lists hold before anything is imported, and a name that they hide says so."""

import pytest
from fake_distributions import TECHNIQUE, cnnviz, install, listing, names, strangers

from cnnviz_jax.plugins import Selection

TELLTALE = "import pathlib; pathlib.Path(__file__).with_suffix('.imported').touch()\n"


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site"
    for name in ("one", "two"):
        source = TELLTALE + TECHNIQUE.format(name=f"{name}-rows")
        install(folder, f"{name}-dist", module=f"{name}_plugin", source=source)
    return folder


def imported(site):
    return sorted(path.stem for path in site.glob("*.imported"))


def test_the_allow_list_lets_in_only_what_it_names(site):
    found = listing(site, CNNVIZ_PLUGINS="one_plugin")
    assert names(found["loaded"]) == ["one_plugin"]
    assert strangers(found["disabled"])["two_plugin"]["cause"] == "CNNVIZ_PLUGINS=one_plugin"
    assert imported(site) == ["one_plugin"]


def test_the_deny_list_keeps_out_what_it_names_by_plugin_or_by_distribution(site):
    found = listing(site, CNNVIZ_DISABLE_PLUGINS="one_plugin, Two.Dist")
    assert strangers(found["loaded"]) == {}
    assert set(strangers(found["disabled"])) == {"one_plugin", "two_plugin"}
    assert imported(site) == []


def test_no_plugins_keeps_out_all_but_the_built_in_ones(site):
    found = listing(site, "--no-plugins")
    assert {row["distribution"] for row in (*found["loaded"], *found["skipped"])} == {"cnnviz-jax"}
    assert strangers(found["disabled"])["one_plugin"]["cause"] == "--no-plugins"
    assert imported(site) == []


def test_a_name_that_a_disabled_plugin_might_have_offered_says_so(site):
    done = cnnviz("explain", "one-rows", "shapes", "a.png", site=site, CNNVIZ_DISABLE_PLUGINS="one_plugin")
    assert done.returncode == 2
    assert "no explain technique 'one-rows'. Did you mean 'two-rows'" in done.stderr
    assert "plugin 'one_plugin' of one-dist, which is disabled by CNNVIZ_DISABLE_PLUGINS=one_plugin" in done.stderr


def test_a_name_that_a_broken_plugin_might_have_offered_quotes_the_cause(site):
    (site / "one_plugin.py").write_text("1 / 0")
    done = cnnviz("explain", "one-rows", "shapes", "a.png", site=site)
    last = done.stderr.splitlines()[-1]
    assert "plugin 'one_plugin' of one-dist, which was skipped: ZeroDivisionError: division by zero" in last


def test_a_list_entry_that_fits_no_plugin_is_remarked_on(site):
    done = cnnviz("techniques", site=site, CNNVIZ_DISABLE_PLUGINS="no-such")
    assert "CNNVIZ_DISABLE_PLUGINS names 'no-such', which no installed plugin is called" in done.stderr


def test_an_entry_is_a_plugin_a_distribution_or_both():
    selection = Selection(deny=("cam", "Their_Plugins", "ours:grad"))
    assert selection.refusal("cam", "anything")
    assert selection.refusal("any", "their-plugins")
    assert selection.refusal("grad", "ours")
    assert not selection.refusal("grad", "theirs")


def test_an_empty_variable_counts_as_unset():
    selection = Selection.from_environment({"CNNVIZ_PLUGINS": "", "CNNVIZ_PLUGINS_STRICT": "0"})
    assert selection == Selection()
