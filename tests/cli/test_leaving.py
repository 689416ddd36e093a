"""What a command leaves out because its process is soon over: looks for garbage, and docstrings that nobody reads."""

import gc

import pytest
from matplotlib.artist import Artist

from cnnviz_jax import cli
from cnnviz_jax.cli.drawing import without_tables_in_docstrings


@pytest.fixture
def collector():
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    gc.unfreeze()


@pytest.mark.usefixtures("collector")
@pytest.mark.parametrize("code", [0, 2])
def test_a_command_leaves_with_its_code_and_nothing_is_collected_on_the_way(code, monkeypatch):
    monkeypatch.setattr(cli, "main", lambda: code)
    with pytest.raises(SystemExit) as left:
        cli.command()
    assert left.value.code == code
    assert gc.get_freeze_count() > 10_000


def test_what_is_drawn_lists_its_properties_outside_of_a_commands_rendering_alone():
    with without_tables_in_docstrings():
        within = type("Within", (Artist,), {"set_colour": lambda self, colour: None})
    after = type("After", (Artist,), {"set_colour": lambda self, colour: None})
    assert "colour" not in within.set.__doc__
    assert "colour" in after.set.__doc__
    assert "colour" in within.set.__signature__.parameters  # what can be set stays the same
