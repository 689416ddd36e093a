"""The stub of `cv.techniques` says what is there, and what is there is what the plugins offer."""

import dataclasses
import inspect

import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import UsageError
from cnnviz_jax.options.building import technique_and_config
from cnnviz_jax.options.docs import field_docs, options_of
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.configs import ExplainConfig, InspectConfig
from cnnviz_jax.plugins.specs import TechniqueSpec
from cnnviz_jax.techniques.lookup import class_name
from tests.results.every_result import images, model
from tests.results.test_saving import assert_same
from tests.typing.stub import STUB, stub


def test_the_stub_is_fresh():
    assert STUB.read_text(encoding="utf-8") == stub(), "write it again: python -m tests.typing.stub"


@pytest.mark.parametrize(
    ("technique", "name"),
    [("occlusion", "Occlusion"), ("grad-cam++", "GradCamPlusPlus"), ("input-x-gradient", "InputXGradient")],
)
def test_a_class_is_called_as_its_technique(technique, name):
    assert class_name(technique) == name
    assert getattr(cv.techniques, name).__technique__ is plugins().techniques[technique]


def test_every_technique_has_a_class_of_its_own():
    assert len(dir(cv.techniques)) == len(set(dir(cv.techniques))) == len(cv.technique_names())
    assert {"exemplars", "distributions", "dissection"} <= set(cv.technique_names("survey"))
    assert not {"saliency", "filters"} & set(cv.technique_names("survey"))


def test_a_config_may_stand_where_a_name_may():
    config = cv.techniques.Smoothgrad(samples=2)
    by_config = cv.explain(config, model(), images(), 1, key=3)
    assert_same(by_config, cv.explain("smoothgrad", model(), images(), 1, key=3, samples=2))
    assert by_config.provenance.config == config
    assert_same(cv.inspect(cv.techniques.Filters(), model()), cv.inspect("filters", model()))
    layer = by_config.provenance.layer or next(each.name for each in model().layers.values() if each.kind == "conv")
    by_config = cv.survey(cv.techniques.Exemplars(k=1), model(), images(), layer=layer)
    assert_same(by_config, cv.survey("exemplars", model(), images(), layer=layer, k=1))
    measured = cv.measure(cv.techniques.Sparseness(), model(), images(), images()[..., 0], 1)
    assert_same(measured, cv.measure("sparseness", model(), images(), images()[..., 0], 1))


def test_a_config_of_another_kind_or_its_class_alone_is_refused():
    with pytest.raises(UsageError, match="filters is a technique to inspect with, not to explain with"):
        technique_and_config(cv.techniques.Filters(), "explain", {})
    with pytest.raises(UsageError, match="the class of 'saliency'; write its options in brackets"):
        technique_and_config(cv.techniques.Saliency, "explain", {})


def test_a_misspelt_name_is_answered_with_the_nearest():
    with pytest.raises(AttributeError, match=r"no technique 'Oclusion'\. Did you mean 'Occlusion'"):
        _ = cv.techniques.Oclusion


def test_help_lists_the_options_with_defaults_and_units():
    text = inspect.getdoc(cv.techniques.Occlusion)
    assert text == inspect.getdoc(cv.techniques.Occlusion)
    assert text.count("Options:") == 1
    for field in dataclasses.fields(cv.techniques.Occlusion):
        assert f"    {field.name}: " in text
    assert "window: int | tuple[int, ...] | None = None\n        Height and width of a window in pixels" in text


def test_every_option_of_every_technique_is_explained():
    for name, spec in plugins().techniques.items():
        docs = field_docs(spec.config)
        missing = [field.name for field in options_of(spec.config) if not docs.get(field.name)]
        assert missing == [], name


def test_a_record_made_by_hand_has_a_class_that_carries_it(monkeypatch):
    @dataclasses.dataclass(frozen=True)
    class Own:
        """Mine."""

        size: int = 3

    record = TechniqueSpec(name="own-one", kind="explain", summary="mine", config=Own, build=lambda config, model: None)
    offers = {**plugins().techniques, "own-one": record}
    monkeypatch.setattr(type(plugins()), "techniques", property(lambda self: offers))
    made = cv.techniques.OwnOne(size=4)
    assert isinstance(made, ExplainConfig)
    assert not isinstance(made, InspectConfig)
    assert type(made).__technique__ is record
