"""What the doors refuse: in a sentence of our own, and before long work."""

import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.references import load

PLUGIN = '''
from dataclasses import dataclass
from cnnviz_jax.plugins.hookspecs import hookimpl
from cnnviz_jax.plugins.specs import TechniqueSpec

@dataclass(frozen=True, kw_only=True)
class NoConfig:
    """Nothing to choose."""

@hookimpl
def cnnviz_techniques():
    yield TechniqueSpec(name="refused-number", kind="explain", summary="one number", config=NoConfig,
                        build=lambda config, model: lambda model, image, target, key: image.mean())
    yield TechniqueSpec(name="refused-result", kind="inspect", summary="no function", config=NoConfig,
                        build=lambda config, model: 3)
'''


def total(params, x):
    return (x * params).sum((1, 2, 3))[:, None]


@pytest.fixture
def model():
    return cv.adapt(total, jnp.ones((1, 4, 4, 1)), input_shape=(4, 4, 1), name="total")


@pytest.fixture
def stranger(tmp_path):
    from cnnviz_jax.plugins import reset_plugins

    path = tmp_path / "stranger.py"
    path.write_text(PLUGIN, encoding="utf-8")
    reset_plugins()
    plugins().load_file(path)
    yield
    reset_plugins()


@pytest.mark.parametrize(
    ("reference", "cause"),
    [
        ("surely_not_installed:build", "no module 'surely_not_installed'"),
        ("json:nothing", "json has no 'nothing'"),
    ],
)
def test_a_record_that_names_nothing_is_the_plugins_fault(reference, cause):
    with pytest.raises(cv.errors.PluginError, match=cause):
        load(reference)


def test_one_number_is_no_map(model, stranger):
    with pytest.raises(cv.errors.PluginError, match=r"an array of shape \(\) for one image; a map is \(h, w\)"):
        cv.explain("refused-number", model, np.ones((4, 4, 1), np.float32))


def test_an_inspection_that_builds_no_function_is_refused(model, stranger):
    with pytest.raises(cv.errors.PluginError, match="'refused-result' built a int; a function of provenance is needed"):
        cv.inspect("refused-result", model)


def test_a_report_that_nothing_writes_is_refused_before_any_technique_runs(model, tmp_path):
    told = []
    with pytest.raises(
        cv.errors.RenderError,
        match=r"no renderer of Report for the suffix '\.gif' of '.*page\.gif'; \.html, \.npz can",
    ):
        cv.report(
            model, np.ones((4, 4, 1), np.float32), tmp_path / "page.gif", progress=lambda *done: told.append(done)
        )
    assert told == []


@pytest.mark.parametrize("change", ["read", "add", "replace"])
def test_run_knows_no_layer_of_a_wrong_name(model, change):
    value = ("nowhere",) if change == "read" else {"nowhere": jnp.zeros(())}
    with pytest.raises(cv.errors.LayerNotFoundError, match="no layer 'nowhere'"):
        model.run(jnp.ones((4, 4, 1)), **{change: value})


def test_a_model_shows_itself_in_one_line(model):
    assert repr(model).startswith("Model(total: ")
    assert repr(model).endswith(" layers, images 4 x 4 x 1)")
