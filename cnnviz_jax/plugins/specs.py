"""The frozen records that plugins yield: one class per thing a plugin can offer.

Light: importing this module imports no jax, flax, optax or matplotlib. Anything heavy is named
as `"package.module:attribute"` and imported by `load` when it is first used.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import cleandoc
from typing import Any, Literal, TypeVar, dataclass_transform

from cnnviz_jax.plugins.references import Lazy

Kind = Literal["explain", "synthesize", "inspect", "survey", "measure", "dictionary"]
Evidence = Literal["removal", "shares", "layer", "slope", "rules", "other"]
EVIDENCES: tuple[Evidence, ...] = ("removal", "shares", "layer", "slope", "rules", "other")
"""What an explanation rests on, from what asks the network itself to what hardly depends on its weights."""
KINDS: tuple[Kind, ...] = ("explain", "synthesize", "inspect", "survey", "measure", "dictionary")


@dataclass(frozen=True, kw_only=True)
class AdapterSpec:
    """How native objects of one framework become a `cnnviz_jax.model.pure.PureModel`."""

    name: str
    """Framework name as its users write it, such as `nnx`."""
    summary: str
    """One line for `cnnviz adapters`."""
    matches: Callable[[Any], bool]
    """`matches(native)`: is this object mine? Looks at type names or `sys.modules`, never imports the framework."""
    build: Lazy
    """`build(native, args, options) -> PureModel`; `options` is a `cnnviz_jax.model.pure.AdaptOptions`."""
    fallback: bool = False
    """Whether this adapter is asked only when no other matches."""


@dataclass(frozen=True, kw_only=True)
class PackagedFile:
    """A file that another distribution carries: read as data, none of its code is imported."""

    distribution: str
    """Name of the distribution, as pip takes it."""
    path: str
    """Path of the file from the folder that the distribution is installed in."""
    install: str
    """The command that brings it, such as `pip install 'cnnviz-jax[imagenet]'`."""


@dataclass(frozen=True, kw_only=True)
class WeightsSpec:
    """Where the published weights of a named model come from."""

    bundled: bool = False
    """Whether the weights ship with the plugin, so that no file is needed."""
    url: str | None = None
    """Where the publisher offers the file; nothing is downloaded unasked."""
    packaged: PackagedFile | None = None
    """The installed distribution that carries the file."""
    sha256: str | None = None
    """Hex digest of that file; its first digits where the publisher tells no more."""


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A network that users ask for by name."""

    name: str
    """Name under which it was published, such as `squeezenet1_1`, or, in a collection of many, `keras:VGG16`."""
    summary: str
    """One line for `cnnviz models`."""
    build: Lazy
    """`build(weights) -> cnnviz_jax.Model`; `weights` is a path or `None`."""
    weights: WeightsSpec = WeightsSpec()
    """Where its weights come from."""
    examples: Lazy | None = None
    """`examples(count) -> (images, names)`: images that ship with the network, (n, h, w, c) in [0, 1]."""
    references: tuple[str, ...] = ()
    """Papers and sources."""


@dataclass(frozen=True, kw_only=True)
class TechniqueSpec:
    """A way to explain, synthesise, inspect, survey or measure, or to learn a dictionary.

    `build` runs on the host, before anything is traced. What it takes and returns, by kind:
    explain: `build(config, model)` -> a `cnnviz_jax.engine.Fold`, or a function
    `(model, image, target, key) -> heatmap`;
    synthesize: `build(config, model, target)` -> a `cnnviz_jax.engine.Iteration`;
    inspect: `build(config, model)` -> a function `(provenance) -> result`; in place of the model comes what it `takes`;
    survey: `build(config, model)` -> a `cnnviz_jax.engine.survey.SurveyPlan`;
    measure: `build(config, model)` -> a `cnnviz_jax.engine.measure.MetricFold` or `HostMetric`;
    dictionary: `build(config)` -> a function `(cnnviz_jax.engine.dictionary.LearnerCase) -> Fitted`.
    """

    name: str
    """Name everywhere: `cv.explain(name)`, `cnnviz explain name`, docs page."""
    kind: Kind
    """Which verb runs it."""
    summary: str
    """One line for `cnnviz techniques`."""
    config: type
    """A frozen dataclass of numbers, strings, tuples, literals and `None`: Python options and CLI flags at once."""
    build: Lazy
    """See the class docstring."""
    subject: Literal["units", "classes", "images"] = "units"
    """What a synthesize technique works on: any unit, classes only, or given images."""
    takes: Literal["model", "image", "run"] = "model"
    """What an inspect technique looks at: `image` is handed (h, w, c) in [0, 1], `run` the folder of a `Recorder`."""
    references: tuple[str, ...] = ()
    """Papers and sources."""
    in_report: bool = True
    """Whether `cv.report` runs it unasked; off for close variants and for those that take long."""
    evidence: Evidence = "other"
    """What an explain technique's map rests on; cards of a report stand in this order. `removal`: what the score does
    without a part; `shares`: shares along a path, which add up to the score's change; `layer`: a layer's map and its
    weights; `slope`: the gradient; `rules`: other ways back through the network than its gradient."""
    result: str = ""
    """Class name of what an inspect or survey technique returns, such as `FilterBank`, or `package.module:Class` of the
    plugin's own `Result`: for type checkers, for `cv.load`, and so that a file that cannot hold it is refused before
    any work. Of an explain technique, a subclass of `Attribution` with no fields of its own. Otherwise these and the
    other kinds return what their verb does."""
    holds: tuple[str, ...] = ()
    """`package.module:Class` of further classes that its results are made of, for `cv.load`: the codec of a
    dictionary."""


Config = TypeVar("Config", bound=type)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def technique(name: str, kind: Kind, build: str, *references: str, **others: Any) -> Callable[[Config], Config]:
    """Make a class the frozen config of a technique, whose record it then carries; `techniques_in` lists them.

    The first sentence of the class's docstring is the technique's summary.

    Args:
        name: As in `TechniqueSpec`, as are `kind` and `references`.
        kind: Which verb runs it.
        build: `package.module:attribute`, or `.module:attribute` in the package of the class's own module.
        references: Papers and sources.
        others: Further fields of `TechniqueSpec`: `subject`, `takes`, `in_report`, `evidence`, `result`,
            `holds`.

    Example:
        @technique("edges", "explain", ".edges:Edges.build", "Sobel 1968")
        class EdgesConfig:
            '''The gradient of the image itself.'''
    """

    def carrying(config: Config) -> Config:
        made: Any = dataclass(frozen=True, kw_only=True)(config)
        sentence = cleandoc(made.__doc__).partition("\n\n")[0].replace("\n", " ").removesuffix(".")
        first = sentence.partition(" ")[0]
        if first[1:].islower() or len(first) == 1:  # not a name such as Grad-CAM
            sentence = sentence[0].lower() + sentence[1:]
        package = made.__module__.rpartition(".")[0]
        relative = {"build": build, "result": others.pop("result", "")}
        named = {field: package + word if word.startswith(".") else word for field, word in relative.items()}
        made.__technique__ = TechniqueSpec(
            name=name, kind=kind, summary=sentence, config=made, references=references, **named, **others
        )
        return config

    return carrying


def techniques_in(module: str) -> list[TechniqueSpec]:
    """Return the records of the configs that a module defines with `technique`, for its hook `cnnviz_techniques`.

    Args:
        module: The module's name, its own `__name__`.
    """
    defined = [each for each in vars(sys.modules[module]).values() if getattr(each, "__module__", None) == module]
    return [vars(each)["__technique__"] for each in defined if "__technique__" in getattr(each, "__dict__", ())]


@dataclass(frozen=True, kw_only=True)
class RendererSpec:
    """A way to write results to a file."""

    name: str
    """Name for `cv.render(..., renderer=name)`."""
    summary: str
    """One line for `cnnviz renderers`."""
    accepts: tuple[str, ...]
    """Class names of the results it can draw, such as `Attribution`; `*` for all."""
    suffixes: tuple[str, ...]
    """File suffixes it writes, such as `.png`; may be shared when `accepts` differ."""
    render: Lazy
    """`render(result, path, **display)`: writes one file to `path`, a temporary name moved into place afterwards."""
    many: tuple[str, ...] = ()
    """Class names of the results of which it draws several in one file; `render` is then handed a tuple of them."""
    figure: Lazy | None = None
    """`figure(result, **display)`: the matplotlib figure that it would write, for `cv.figure`."""
    fragment: Lazy | None = None
    """`fragment(result, **display)`: HTML without scripts to stand in another page, for notebooks."""
    display: Lazy | None = None
    """`display(kind)`: the dataclasses of the display options for results of that class name, light, for the options
    of the command line."""
    overlay: Lazy | None = None
    """`overlay(attribution, **display)`: maps over their images, (n, h, w, 3) in [0, 1], for `result.overlay()`."""
    sheet: Lazy | None = None
    """`sheet(result)`: (rows, columns, 3) bytes, drawn in milliseconds, for the log of a training."""


@dataclass(frozen=True)
class NoOptions:
    """The config of a record that has no options."""


@dataclass(frozen=True, kw_only=True)
class PanelSpec:
    """What the pages of units in a site of `cv.explore` show under one heading."""

    name: str
    """Name for `cnnviz panels` and in the site's data."""
    summary: str
    """The heading, and one line for `cnnviz panels`."""
    build: Lazy
    """`build(case)` -> a function `(unit)` -> a list of parts (`Text`, `Facts`, `Bars`, `Histogram`, `Tiles`, `Units`,
    `Kernels`), empty where there is nothing to show of that unit; or `None` where the layer has nothing. `case` is a
    `cnnviz_jax.plugin.LayerCase`."""
    surveys: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Survey techniques by name, with options: what they find at the layer is `case.results[name]`. The surveys of all
    panels and layers share one pass over the images. Results hold one black pixel in place of each image; the images
    are `case.images[number]`. At a layer of a kind that one of them refuses the panel is left out."""
    place: int = 100
    """Where it stands on the page: lower numbers first, of equal ones by name."""
    on_request: bool = False
    """Whether it is left out unless `cv.explore(panels=["NAME"])` or `--panels NAME` names it: it takes long."""
    needs_masks: bool = False
    """Whether it is shown only where `masks` names the field in which images bring their concept masks. Its surveys
    that have an option `masks` are given that name."""


@dataclass(frozen=True, kw_only=True)
class CollectionSpec:
    """Pages of a site of `cv.explore` beside those of units, such as one for each concept: `#/NAME/NUMBER`."""

    name: str
    """Name for `cnnviz collections`, `--collections` and the pages' addresses."""
    summary: str
    """The heading on the first page, and one line for `cnnviz collections`."""
    build: Lazy
    """`build(config, case)` -> a `cnnviz_jax.plugin.Collection`: titles, and a function `(number)` -> a list of parts,
    as a panel has them; or `None` where there is nothing. `case` is a `cnnviz_jax.plugin.SiteCase`."""
    config: type = NoOptions
    """A frozen dataclass of its options; `NAME:REST` on the command line gives the option `of`."""
    surveys: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """As `PanelSpec.surveys`: what they find is `case.results[layer][name]`."""
    needs_masks: bool = False
    """Whether it is made where `masks` names the field in which images bring their concept masks, without being asked
    for; as `PanelSpec.needs_masks`. Any other collection is made where `cv.explore(collections=...)` or
    `--collections` names it."""


@dataclass(frozen=True, kw_only=True)
class LauncherSpec:
    """An engine that runs the shards of a sweep on other processes or machines, or a script that does."""

    name: str
    """Name for `cnnviz sweep --on`, `--print-launcher` and `cv.run_sweep(on=...)`."""
    summary: str
    """One line for `cnnviz launchers`."""
    config: type
    """A frozen dataclass of its options; `NAME:REST` on the command line gives the option `address`."""
    connect: Lazy | None = None
    """`connect(config)` -> a context manager that gives a `concurrent.futures.Executor`. What is submitted is
    picklable; a future ends with its result, or with an error where the process was lost. Calls run in the main thread
    of a process of their own where that can be had. What was started ends with the context."""
    script: Lazy | None = None
    """`script(config, case)` -> the text of a file that runs all shards and then merges them; `case` is a
    `cnnviz_jax.plugin.ScriptCase`."""


@dataclass(frozen=True, kw_only=True)
class LogSpec:
    """The log of a training that another tool shows."""

    name: str
    """Name for `cv.Monitor("NAME:PLACE", ...)` and `cnnviz logs`."""
    summary: str
    """One line for `cnnviz logs`."""
    build: Lazy
    """`build(place)` -> a `cnnviz_jax.plugin.TrainingLog`; `place` is what stands behind the name, or empty."""


Record = AdapterSpec | ModelSpec | TechniqueSpec | RendererSpec | PanelSpec | CollectionSpec | LauncherSpec | LogSpec
