"""What the public functions refuse: in a sentence of our own, and before long work."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.references import load
from cnnviz_jax.sweep.errors import SweepUsageError
from cnnviz_jax.sweep.run import run_sweep
from cnnviz_jax.sweep.spec import SweepSpec

PLUGIN = '''
from dataclasses import dataclass
from cnnviz_jax.plugin import TechniqueSpec, hookimpl

@dataclass(frozen=True, kw_only=True)
class NoConfig:
    """Nothing to choose."""

def fails(config, *subject):
    return 1 / 0

@hookimpl
def cnnviz_techniques():
    yield TechniqueSpec(name="refused-number", kind="explain", summary="one number", config=NoConfig,
                        build=lambda config, model: lambda model, image, target, key: image.mean())
    for kind in ("explain", "synthesize", "inspect", "survey", "measure"):
        yield TechniqueSpec(name=f"junk-{kind}", kind=kind, summary="builds an int", config=NoConfig,
                            build=lambda config, *subject: 3)
        yield TechniqueSpec(name=f"failing-{kind}", kind=kind, summary="fails", config=NoConfig, build=fails)
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


IMAGE = np.ones((4, 4, 1), np.float32)
RUNS = {
    "explain": lambda name, model: cv.explain(name, model, IMAGE),
    "synthesize": lambda name, model: cv.synthesize(name, model, target=0),
    "inspect": lambda name, model: cv.inspect(name, model),
    "survey": lambda name, model: cv.survey(name, model, IMAGE[None]),
    "measure": lambda name, model: cv.measure(name, model, IMAGE, IMAGE[..., 0], 0),
}
NEEDED = {
    "explain": "a Fold or a function",
    "synthesize": "an Iteration",
    "inspect": "a function of provenance",
    "survey": "a SurveyPlan",
    "measure": "a MetricFold or HostMetric",
}


@pytest.mark.parametrize("kind", RUNS)
def test_a_technique_that_builds_junk_or_fails_is_named_with_its_plugin_in_one_sentence(model, stranger, kind):
    with pytest.raises(cv.errors.PluginError) as junk:
        RUNS[kind](f"junk-{kind}", model)
    owner = plugins().owner("technique", f"junk-{kind}")
    assert str(junk.value) == f"technique 'junk-{kind}' of {owner} built an int; {NEEDED[kind]} is needed"
    with pytest.raises(cv.errors.PluginError) as failing:
        RUNS[kind](f"failing-{kind}", model)
    assert str(failing.value) == (
        f"the build of technique 'failing-{kind}' of {owner} failed: ZeroDivisionError: division by zero; --debug shows"
        " where"
    )


@pytest.mark.parametrize("name", ["junk", "failing"])
@pytest.mark.parametrize("kind", ["explain", "survey"])
def test_a_sweep_says_of_such_a_technique_what_its_verb_says(model, stranger, tmp_path, kind, name):
    np.savez(tmp_path / "images.npz", images=IMAGE[None])
    spec = SweepSpec.from_mapping({"source": str(tmp_path / "images.npz"), kind: [{"technique": f"{name}-{kind}"}]})
    with pytest.raises(SweepUsageError) as swept:
        run_sweep(spec, model, tmp_path / "run")
    with pytest.raises(cv.errors.PluginError) as own:
        RUNS[kind](f"{name}-{kind}", model)
    assert str(swept.value) == str(own.value)


def test_a_record_that_no_plugin_offers_is_named_alone(model):
    spec = cv.TechniqueSpec(name="mine", kind="explain", summary="", config=dataclasses.make_dataclass("None_", ()),
                            build=lambda config, model: None)  # fmt: skip
    with pytest.raises(cv.errors.PluginError, match="technique 'mine' built a NoneType; a Fold or a function is"):
        cv.explain(spec, model, IMAGE)


def test_a_report_that_nothing_writes_is_refused_before_any_technique_runs(model, tmp_path):
    told = []
    with pytest.raises(
        cv.errors.RenderError,
        match=r"no renderer of Report for the suffix '\.gif' of '.*page\.gif'; \.html, \.npz, \.pdf, \.png, \.svg can",
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
