"""`cv.open_run`: what a sweep left behind, heatmaps by example, surveys, and a page of both; read when asked for."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.data.given import Images
from cnnviz_jax.data.source import Source
from cnnviz_jax.downloads import is_url
from cnnviz_jax.engine.reducers import Total
from cnnviz_jax.engine.techniques import build
from cnnviz_jax.errors import ImageError, UsageError, did_you_mean
from cnnviz_jax.files import read_lines
from cnnviz_jax.model.digests import weights_digest
from cnnviz_jax.model.model import Model
from cnnviz_jax.options.building import config_from, technique_and_config
from cnnviz_jax.plugins.references import installed_only, is_reference
from cnnviz_jax.results.attribution import Attribution
from cnnviz_jax.results.provenance import Provenance
from cnnviz_jax.results.report import Report
from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.reductions import survey_plan
from cnnviz_jax.sweep.resolved import source_of
from cnnviz_jax.sweep.result import is_done, read_manifest, read_survey
from cnnviz_jax.sweep.run_file import arrays_of, is_run, read_run
from cnnviz_jax.sweep.spec import Explanation, Survey, SweepSpec
from cnnviz_jax.sweep.step import OK, STATUSES
from cnnviz_jax.sweep.store import STATUS, ExampleStore
from cnnviz_jax.sweep.trusting import refuse_model, refuse_source
from cnnviz_jax.verbs.load_model import load_model
from cnnviz_jax.verbs.render import check_output, render
from cnnviz_jax.verbs.report import report

_SHOWN = 8


def open_run(
    run: str | Path, model: Model | None = None, *, source: str | Source | None = None, trust: bool = False
) -> "Run":
    """Return a sweep's run folder opened for reading; nothing is loaded before it is asked for.

    A run folder is data. What it names is used where that is a network of an installed plugin, weights in a file, or
    images in files; where it is `package.module:factory` or a URL, only with `trust`, and a factory is never looked for
    in the current folder.

    Args:
        run: The run folder; also one that is still being written, for the examples that are done.
        model: The model that was swept; loaded by the name the run knows when it is needed and not given.
        source: The images that were swept, or what names them, in place of what the run says.
        trust: Import the factories that the run names, and fetch its weights: that runs their code.

    Raises:
        UsageError: There is no run in the folder.
        DamagedRunError: Its run.json is not what was written.
    """
    folder = RunFolder(Path(run))
    if not is_run(folder):
        inside = " Its shards are not merged: `cnnviz merge` does that." if folder.shard_folders else ""
        raise UsageError(f"no run in {folder.root}; give the folder that `cnnviz sweep --run` wrote.{inside}")
    return Run(folder, model, source, trust=trust)


class Run:
    """What a sweep found: per-example heatmaps and scores by number, surveys by name."""

    def __init__(
        self, folder: RunFolder, model: Model | None, source: str | Source | None = None, *, trust: bool = False
    ) -> None:
        self.folder = folder
        """Where it lies."""
        self._frozen: dict[str, Any] = read_run(folder)
        self._given, self._given_source, self._trusted = model, source, trust

    def __repr__(self) -> str:
        state = "finished" if self.is_done else "not finished"
        return f"Run({self.folder.root}: {len(self)} images, {', '.join(self.names)}, {state})"

    def __len__(self) -> int:
        return int(self._frozen["identity"]["images"])

    @functools.cached_property
    def spec(self) -> SweepSpec:
        """What was asked for."""
        return SweepSpec.from_mapping(self._frozen["spec"])

    @functools.cached_property
    def _located(self) -> SweepSpec:
        """What was asked for, its relative paths found from the folder that the sweep was started in."""
        spec, started_in = self.spec, self._frozen.get("started_in", "")

        def found(word: str | None) -> str | None:
            if word is None or not started_in or is_reference(word) or is_url(word) or Path(word).exists():
                return word
            there = Path(started_in, word)
            return str(there) if there.exists() else word

        return dataclasses.replace(
            spec, source=found(spec.source) or "", weights=found(spec.weights), labels=found(spec.labels)
        )

    @property
    def is_done(self) -> bool:
        """Whether the run has come to its end."""
        return is_done(self.folder, self._frozen)

    @property
    def _versions(self) -> tuple[tuple[str, str], ...]:
        """Those that computed the run, not those installed now."""
        return tuple(sorted(self._frozen["environment"]["versions"].items()))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the explanations and surveys."""
        return (*(part.name for part in self.spec.explain), *(part.name for part in self.spec.survey))

    @functools.cached_property
    def manifest(self) -> dict[str, Any]:
        """Counts, versions and hashes of a finished run.

        Raises:
            UsageError: It is not finished.
        """
        self._require_done()
        return read_manifest(self.folder)

    @functools.cached_property
    def model(self) -> Model:
        """The model that was swept.

        Raises:
            UsageError: Its weights are not those that were swept; or loading it runs code that is not trusted.
        """
        found = self._given
        if found is None:
            if not self._trusted:
                refuse_model(self.folder, self._located)
            with installed_only():
                found = load_model(self.spec.model, self._located.weights)
        if weights_digest(found) != self._frozen["identity"]["weights_sha256"]:
            raise UsageError(f"the weights of {found.name} are not those that were swept; pass the model: model=...")
        return found

    @functools.cached_property
    def source(self) -> Source:
        """The images.

        Raises:
            UsageError: They are not where they were, or not the same any more; or opening them runs code that is not
                trusted.
        """
        identity, spec, given = self._frozen["identity"], self._located, self._given_source
        height, width, channels = identity["preprocess"]["input_shape"]
        if isinstance(given, str):
            found = source_of(dataclasses.replace(spec, source=given), (height, width, channels))
        elif given is not None:
            found = given
        else:
            if not self._trusted:
                refuse_source(self.folder, spec)
            with installed_only():
                found = source_of(spec, (height, width, channels))
        if found.digest() != identity["source_digest"]:
            raise UsageError(f"the images of {spec.source} are not those that were swept")
        return found

    @functools.cached_property
    def _store(self) -> ExampleStore:
        identity = self._frozen["identity"]
        return ExampleStore.of_run(
            self.folder.examples, arrays_of(self._frozen), identity["images"], identity["device_batch"]
        )

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the per-example arrays, such as `pred`, `score/smoothgrad`, `heat/smoothgrad`."""
        return tuple(self._store.arrays)

    def array(self, name: str, ids: Sequence[int] | slice = slice(None)) -> np.ndarray:
        """Return rows of a per-example array as it is stored.

        Args:
            name: One of `arrays`.
            ids: Numbers of examples, or a slice of them.
        """
        if name not in self._store.arrays:
            raise UsageError(f"no array {name!r}.{did_you_mean(name, self.arrays)} There are: {', '.join(self.arrays)}")
        if isinstance(ids, slice):
            return self._store.read(name, slice(*ids.indices(len(self))))
        return self._store.read(name, np.asarray(self._checked(ids)))

    def status(self, ids: Sequence[int] | slice = slice(None)) -> np.ndarray:
        """Return the status of examples: 0 not written, 1 ok, 2 unreadable, 3 not finite."""
        return self.array(STATUS, ids)

    @functools.cached_property
    def errors(self) -> dict[int, str]:
        """Why images could not be read, by number."""
        lines = [line for line in read_lines(self.folder.root / "errors") if isinstance(line.get("id"), int)]
        return {line["id"]: f"{line.get('path', '')}: {line.get('error', '')}" for line in lines}

    def heatmaps(self, name: str, ids: Sequence[int] | slice = slice(None)) -> Float[np.ndarray, "n ..."]:
        """Return the maps of an explanation as float32, in the technique's own unit.

        Args:
            name: Name of the explanation.
            ids: Numbers of examples, or a slice of them. NaN where an example has no result.
        """
        self._explanation(name)
        values = self.array(f"heat/{name}", ids).astype(np.float32)
        if f"scale/{name}" in self._store.arrays:
            values *= self.array(f"scale/{name}", ids).reshape(-1, *(1,) * (values.ndim - 1))
        return values

    def images(self, ids: Sequence[int]) -> Float[np.ndarray, "n h w c"]:
        """Return images as the model saw them.

        Raises:
            ImageError: One cannot be read.
        """
        dataset = Dataset(source=self.source)
        return np.stack([dataset.image(index) for index in self._checked(ids)])

    def attribution(self, name: str, ids: Sequence[int]) -> Attribution:
        """Return the explanations of some examples as `cnnviz_jax.explain` would, ready to be rendered.

        Where the raw map is what was stored, `values` is that map enlarged bilinearly to the image.

        Args:
            name: Name of the explanation.
            ids: Numbers of examples.

        Raises:
            ImageError: An example has no result.
        """
        asked, ids = self._explanation(name), self._checked(ids)
        if not ids:
            raise UsageError("which examples? ids is empty")
        status = self.status(ids)
        if (status != OK).any():
            at = int(np.argmax(status != OK))
            raise ImageError(
                f"example {ids[at]} has no result: {STATUSES[status[at]]} {self.errors.get(ids[at], '')}".strip()
            )
        images, maps = self.images(ids), self.heatmaps(name, ids)
        target = self.array(f"target/{name}", ids) if f"target/{name}" in self._store.arrays else None
        view = self._frozen["views"][name]
        if view == "layer" and asked.keep == "low_res" and maps.ndim == 3:
            view = "heatmap"  # the sum over channels was kept of it
        is_raw = view != "layer" and maps.shape[1:3] != images.shape[1:3]
        size = (len(maps), *images.shape[1:3], *maps.shape[3:])
        _, config = technique_and_config(asked.technique, "explain", dict(asked.options))
        return Attribution(
            values=np.asarray(jax.image.resize(maps, size, "linear")) if is_raw else maps,
            low_res=maps if is_raw and maps.ndim == 3 else None,
            scores=self.array(f"score/{name}", ids),
            target=target if target is not None else np.zeros(len(ids), np.int32),
            images=images,
            view=view,
            provenance=Provenance(
                technique=asked.technique,
                model=self._frozen["identity"]["model"],
                config=config,
                targets=tuple(map(self._class_name, target)) if target is not None else (str(asked.target),) * len(ids),
                seed=str(self.spec.seed),
                versions=self._versions,
                notes=(("run", str(self.folder.root)), ("examples", tuple(ids))),
            ),
        )

    def survey(self, name: str) -> Any:
        """Return a survey's result: what `cnnviz_jax.survey` returns for its technique, such as `Exemplars`.

        A core reducer such as `top-k`, or one of a factory, gives its arrays by layer, a dict of dicts.

        Raises:
            UsageError: No survey has that name, or the run is not finished.
        """
        asked = self._survey(name)
        found = self.survey_arrays(name)
        spec = survey_plan(asked)
        if spec is None:
            return found
        config = config_from(spec, dict(asked.options))
        model = self.model
        dataset = Dataset.of(self.source, model.input_shape, class_names=model.labels, space=model.structure.space)
        plan = build(spec, config, self.model)
        layer = next((layer for reducer in plan.reducers.values() for layer in reducer.layers), None)
        provenance = Provenance(
            technique=spec.name,
            model=self.model.name,
            config=config,
            layer=layer,
            versions=self._versions,
            notes=(
                ("images", len(self) - self.manifest["counts"]["unreadable"]),
                ("unreadable", tuple(self.errors.values())),
                ("dataset", self._frozen["identity"]["source_digest"]),
            ),
        )
        return plan.finish(found, dataset, provenance)

    def survey_arrays(self, name: str) -> dict[str, Total]:
        """Return a survey's arrays by reducer, as they are stored."""
        self._require_done()
        return read_survey(self.folder, self._survey(name).name)

    def report(self, out: str | Path | None = None, *, ids: Sequence[int] | None = None) -> Report:
        """Return, and write to `out`, a page of some examples with their explanations, and of the surveys.

        Args:
            out: The page to write, such as `page.html`; `None` writes nothing.
            ids: Numbers of examples; some spread over those that have a result when not given.

        Raises:
            RenderError: `out` cannot be written; said before any work.
        """
        if out is not None:
            check_output(Report.__name__, Path(out))
        model = self.model  # refused, where it is, before the images are read
        chosen = self._checked(ids) if ids is not None else self._spread()
        images: Images = self.images(chosen)
        page = report(model, images, None, techniques=(), names=[self.source.name(i) for i in chosen])
        surveys = {part.name: self.survey(part.name) for part in self.spec.survey} if self.is_done else {}
        page = dataclasses.replace(
            page,
            title=f"{model.name} over {len(self):,} images",
            attributions={part.name: self.attribution(part.name, chosen) for part in self.spec.explain},
            inspections={name: found for name, found in surveys.items() if not isinstance(found, dict)},
        )
        if out is not None:
            render(page, out)
        return page

    def _spread(self) -> list[int]:
        usable = np.flatnonzero(self.status() == OK)
        if not len(usable):
            raise ImageError(f"no example of {self.folder.root} has a result")
        return [int(i) for i in np.unique(usable[np.linspace(0, len(usable) - 1, _SHOWN).astype(int)])]

    def _checked(self, ids: Sequence[int]) -> list[int]:
        numbers = [int(index) for index in ids]
        for index in numbers:
            if not 0 <= index < len(self):
                raise UsageError(f"example {index} is out of range: this run has examples 0 to {len(self) - 1}")
        return numbers

    def _explanation(self, name: str) -> Explanation:
        return self._part(name, {part.name: part for part in self.spec.explain}, "explanation")

    def _survey(self, name: str) -> Survey:
        return self._part(name, {part.name: part for part in self.spec.survey}, "survey")

    def _part(self, name: str, parts: dict[str, Any], sort: str) -> Any:
        if name not in parts:
            known = ", ".join(parts) or "none"
            raise UsageError(f"no {sort} {name!r} in this run.{did_you_mean(name, parts)} There are: {known}")
        return parts[name]

    def _class_name(self, index: Any) -> str:
        labels = self._frozen["labels"]
        return f"{int(index)} {labels[int(index)]}" if int(index) < len(labels) else str(int(index))

    def _require_done(self) -> None:
        if not self.is_done:
            raise UsageError(f"the run in {self.folder.root} is not finished; run the same `cnnviz sweep` again")
