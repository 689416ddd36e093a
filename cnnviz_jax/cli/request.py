"""The line of a verb that works on a model: read, checked before anything heavy is imported, and answered."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cnnviz_jax.cli.answer import answer
from cnnviz_jax.cli.display_options import display_options, given_display
from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.model import check_model, load
from cnnviz_jax.cli.positionals import ImageFile, image_files, take_model, take_technique
from cnnviz_jax.cli.progress import progress_on_stderr
from cnnviz_jax.cli.tables import print_json
from cnnviz_jax.cli.technique_options import (
    JSON_OPTION,
    MODEL_OPTIONS,
    OUTPUT_OPTIONS,
    Common,
    Line,
    read_line,
    read_plain_line,
    verb_help,
)
from cnnviz_jax.cli.values import Leave, evaluations_at_once, seed_number
from cnnviz_jax.errors import ImageError, UsageError
from cnnviz_jax.plugins import Plugins
from cnnviz_jax.plugins.references import is_reference
from cnnviz_jax.plugins.specs import Kind, TechniqueSpec
from cnnviz_jax.progress.bars import Progress, duration
from cnnviz_jax.verbs.render import check_output

if TYPE_CHECKING:
    from cnnviz_jax.model.model import Model
    from cnnviz_jax.results.dictionary import Dictionary
    from cnnviz_jax.targets import Target

_INSTEAD_OF_A_MODEL = {"image": "an image file", "run": "the folder of a recorder"}
"""What stands on the line of a technique that takes no model, by its `takes`."""


@dataclass(frozen=True, kw_only=True)
class Verb:
    """How the line of a verb is written."""

    name: str
    usage: str
    """The line in one line, for errors and help."""
    about: str
    """What it does, for the help."""
    words: str = "the model, then images, folders or an .npz of images"
    """What stands on the line beside options, for the help."""
    options: tuple[Common, ...]
    """Its own options, beside those of the technique."""
    kind: Kind | None = None
    """The kind of the technique that is named first; `None` for a verb that names none."""
    default_technique: str | None = None
    """The technique of a line that names none."""
    default_model: str | None = None
    """The model of a line that names none."""
    result: str | None = None
    """Class name of what it returns; `None` where the technique decides."""


def on_the_bundled(verb: Verb, *, does: str = "takes") -> Verb:
    """Return a verb whose line may name no model and then takes the bundled one, as its help says; `does` is how."""
    told = f" Without a model it {does} the bundled network; without images, those that come with the network."
    options = (*MODEL_OPTIONS[:2], *verb.options)
    return dataclasses.replace(verb, about=verb.about + told, default_model="shapes", options=options)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What one line asks for; nothing heavy is imported yet."""

    verb: Verb
    settings: Settings
    registry: Plugins
    technique: TechniqueSpec | None
    """`None` for a verb that names none."""
    model: str
    """The model's name or `package.module:factory`; empty for a technique that takes no model."""
    words: tuple[str, ...]
    """What else stands on the line beside options."""
    given: dict[str, Any]
    """The verb's own options as text, `None` where not given or taken over by the technique."""
    options: dict[str, Any]
    """Every option of the technique, at the given value or its default."""
    out: Path
    """The file to write."""
    key: int | None
    chunk: int | Literal["auto"]
    started_s: float
    """`time.monotonic()` when the command began."""

    @classmethod
    def read(cls, verb: Verb, arguments: Sequence[str], settings: Settings) -> Request:
        """Return the request of a line; a verb with `--help` and without its technique prints its help and leaves.

        Raises:
            CnnvizError: The technique or the model does not exist, the weights are missing, or an option is wrong.
        """
        started_s = time.monotonic()
        technique = None
        if verb.kind is None:
            registry = settings.plugins()
            common = (*verb.options, JSON_OPTION, *_shown(verb.options, verb.result))
            line = read_plain_line(verb.name, verb.usage, verb.about, arguments, common=common, words_help=verb.words)
        else:
            registry = settings.plugins()
            if list(arguments[:1]) in (["-h"], ["--help"]):
                print(verb_help(verb.kind, verb.usage, verb.about, registry))
                raise Leave(0)
            technique, rest = take_technique(arguments, registry, verb.kind, default=verb.default_technique)
            instead = _INSTEAD_OF_A_MODEL.get(technique.takes)
            common, words_help = (OUTPUT_OPTIONS, instead) if instead else (verb.options, verb.words)
            common = (*common, JSON_OPTION, *_shown(common, result_of(technique) or verb.result))
            usage = re.sub(r"\[?TECHNIQUE\]?|METRIC", technique.name, verb.usage)
            if instead:
                usage = f"cnnviz {verb.name} {technique.name} {words_help.split()[-1].upper()} [--out FILE] [options]"
            line = read_line(technique, rest, common=common, words_help=words_help, usage=usage)
        model, words = _model_and_words(verb, technique, line, registry)
        return cls(
            verb=verb,
            settings=settings,
            registry=registry,
            technique=technique,
            model=model,
            words=tuple(words),
            given=line.common,
            options=line.options,
            out=Path(line.common.get("out") or f"{technique.name if technique else verb.name}.png"),
            key=seed_number(line.common.get("seed")),
            chunk=evaluations_at_once(line.common.get("chunk")),
            started_s=started_s,
        )

    @property
    def name(self) -> str:
        """The technique's name; the verb's where no technique is named."""
        return self.technique.name if self.technique else self.verb.name

    @property
    def result(self) -> str | None:
        """Class name of what is returned, `None` where neither the verb nor the technique's record says."""
        return (result_of(self.technique) if self.technique else None) or self.verb.result

    @property
    def as_json(self) -> bool:
        """Whether stdout is for JSON alone."""
        return self.given["json"] is not None

    @property
    def display(self) -> dict[str, Any]:
        """The display options that were given; one that a technique has as its own is the technique's.

        Raises:
            UsageError: A number is none.
        """
        own = {field.name for field in dataclasses.fields(self.technique.config)} if self.technique else set()
        return {name: value for name, value in given_display(self.result, self.given).items() if name not in own}

    def image_files(self, *, examples: bool = False) -> list[ImageFile]:
        """Return the images named on the line.

        Args:
            examples: Let there be none where the model comes with images of its own.

        Raises:
            UsageError: None is named.
            ImageError: A file is missing, or a folder has no images.
        """
        if not self.words and not examples:
            raise UsageError(f"no images to {self.verb.name}; write {self.verb.usage}")
        if not self.words and not (self.model in self.registry.models and self.registry.model(self.model).examples):
            raise UsageError(f"no images, and none come with the model {self.model!r}; write {self.verb.usage}")
        return image_files(self.words)

    def techniques(self, option: str, kind: Kind | None = None) -> list[str] | None:
        """Return the technique names that an option joins by commas, `None` where it is not given.

        Raises:
            UnknownNameError: There is no such technique, or it is of another kind.
        """
        text = self.given[option]
        if text is None:
            return None
        return [self.registry.technique(name.strip(), kind).name for name in text.split(",") if name.strip()]

    def refuse_words(self, sentence: str) -> None:
        """Raise `UsageError` if anything stands on the line beside the model, with `sentence` before what it is."""
        if self.words:
            raise UsageError(f"{sentence}, got {' '.join(map(repr, self.words))}; write {self.verb.usage}")

    def source(self, sentence: str) -> str:
        """Return the one word beside the model, which names the images: a folder, an archive or a factory.

        Args:
            sentence: Says so, for the error.

        Raises:
            UsageError: There are none or several.
            ImageError: It is neither there nor a factory.
        """
        if len(self.words) != 1:
            raise UsageError(f"{sentence}, got {len(self.words)}; write {self.verb.usage}")
        (word,) = self.words
        if not Path(word).exists() and not is_reference(word):
            raise ImageError(f"no folder {word!r}")
        return word

    def check_output(self, result: str | None, *, renderer: str | None = None, many: bool = False) -> None:
        """Refuse an output file that no renderer writes for this class of result (any, if `None`), or nobody can.

        Raises:
            RenderError: No renderer fits, or the folder cannot be written.
            UnknownNameError: The renderer that was asked for does not exist.
        """
        check_output(result, self.out, renderer or self.given.get("renderer"), many=many)
        _ = self.display  # a number that is none is told before any work

    def load(self) -> Model:
        """Return the model, with weights given as a URL fetched first; here the heavy imports begin."""
        weights, precision = self.given.get("weights"), self.given.get("precision")
        model = load(self.model, weights, precision=precision, quiet=self.settings.quiet)
        return model if self.given.get("dictionary") is None else model.with_dictionary(self.features())

    def features(self) -> Dictionary:
        """Return the dictionary that `--dictionary` names.

        Raises:
            UsageError: The file holds another result.
        """
        import cnnviz_jax as cv

        found = cv.load(self.given["dictionary"])
        if not isinstance(found, cv.Dictionary):
            raise UsageError(
                f"{self.given['dictionary']!r} holds a {type(found).__name__}; `cnnviz dictionary` keeps dictionaries"
            )
        return found

    def target(self, model: Model) -> int | list[int] | Target | None:
        """Return what `--target` names, `None` where it is not given."""
        from cnnviz_jax.targets.parsing import target_in_words

        text = self.given.get("target")
        return None if text is None else target_in_words(text, model)

    def progress(self) -> AbstractContextManager[Progress]:
        """Return what shows progress while its block runs."""
        return progress_on_stderr(quiet=self.settings.quiet)

    def say(self, text: str) -> None:
        """Print a line for people; nothing with `--quiet` or `--json`."""
        if not (self.settings.quiet or self.as_json):
            print(text)

    def write(self, result: Any, **more: Any) -> int:
        """Render the result, answer, and return the exit code 0.

        Args:
            result: What was computed; several as a list, for one figure.
            **more: What JSON has beside the usual.
        """
        self.rendered(result)
        return self.finish(result, self.out, **more)

    def rendered(self, result: Any) -> None:
        """Render the result as the line says."""
        import cnnviz_jax as cv
        from cnnviz_jax.cli.drawing import without_tables_in_docstrings

        is_drawn = self.out.suffix.lower() in (".png", ".svg", ".pdf")
        with without_tables_in_docstrings() if is_drawn else contextlib.nullcontext():
            cv.render(result, self.out, renderer=self.given.get("renderer"), **self.display)

    def finish(self, result: Any, *wrote: Path, warnings: Iterable[str] | None = None, **more: Any) -> int:
        """Print the answer as JSON, or the warnings on stderr and the first file written; return the exit code 0.

        Args:
            result: What was computed; several as a list, none as an empty one.
            *wrote: Files that were written.
            warnings: In place of those of the results.
            **more: What JSON has beside the usual.
        """
        results = result if isinstance(result, list) else [result]
        if warnings is None:
            warnings = [warning for each in results for warning in getattr(each, "warnings", ())]
        seconds = time.monotonic() - self.started_s
        if self.as_json:
            technique = self.technique.name if self.technique else None
            told = answer(
                self.verb.name, technique, results, wrote,
                model=self.model, seconds=seconds, warnings=list(warnings), more=more,
            )  # fmt: skip
            print_json(told)
        elif not self.settings.quiet:
            for warning in dict.fromkeys(warnings):
                print(f"cnnviz: warning: {warning}", file=sys.stderr)
            if wrote:
                print(f"wrote {wrote[0]} in {duration(seconds)}")
        return 0


def result_of(technique: TechniqueSpec) -> str | None:
    """Return the class name of what a technique's record says it returns, `None` where it does not."""
    return technique.result.rpartition(":")[2] or None


def _shown(common: Sequence[Common], result: str | None) -> list[Common]:
    """Return the display options for that class of result, but for those that a line has with another meaning."""
    taken = {option.name for option in common}
    return [option for option in display_options(result) if option.name not in taken]


def stacked(files: Sequence[ImageFile], model: Model) -> Any:
    """Return images of the line as the model takes them, (n, h, w, c)."""
    import numpy as np

    import cnnviz_jax as cv
    from cnnviz_jax.data.arrays import images_in_npz
    from cnnviz_jax.data.source import to_float

    shape, space = model.input_shape, model.structure.space
    paths = {file.path for file in files if file.number is not None}
    arrays = {path: images_in_npz(path, shape, space) for path in paths}

    def loaded(file: ImageFile) -> np.ndarray:
        if file.number is None:
            return cv.load_image(file.path, model)
        return to_float(arrays[file.path][file.number], shape, space)

    return np.stack([loaded(file) for file in files])


def images_and_names(request: Request, files: Sequence[ImageFile], model: Model, *, examples: int) -> tuple[Any, Any]:
    """Return the images of a request with their names; without files, so many that come with the network."""
    import cnnviz_jax as cv

    if not files:
        return cv.example_images(request.model, examples)
    return stacked(files, model), [file.name for file in files]


def _model_and_words(
    verb: Verb, technique: TechniqueSpec | None, line: Line, registry: Plugins
) -> tuple[str, Sequence[str]]:
    """Return the model, checked, and the other words; what stands instead of a model counts as one of those."""
    instead = _INSTEAD_OF_A_MODEL.get(technique.takes) if technique else None
    if technique and instead:
        if len(line.words) != 1:
            found = " ".join(map(repr, line.words)) or "nothing"
            raise UsageError(f"{verb.name} {technique.name} takes {instead}, got {found}")
        return "", line.words
    model, words = take_model(line.words, registry, line.common["model"], usage=verb.usage, default=verb.default_model)
    if len(words) < len(line.words):
        line.common["model"] = model
    check_model(model, line.common["weights"], registry)
    features = line.common.get("dictionary")
    if features is not None and not Path(features).exists():
        raise UsageError(f"no dictionary at {features!r}; `cnnviz dictionary MODEL IMAGES --save FILE` keeps one")
    return model, words
