"""`cv.Monitor`: what a network learns, written to the log of its training every so many steps."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float

from cnnviz_jax.data.given import Images, check_images
from cnnviz_jax.errors import CnnvizError, CnnvizWarning, PluginError, UsageError
from cnnviz_jax.model.model import Model
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.foreign import code_of, title_of
from cnnviz_jax.plugins.logs import TrainingLog
from cnnviz_jax.plugins.references import load
from cnnviz_jax.plugins.rendering import required
from cnnviz_jax.verbs.adapt import adapt, with_numbers_of
from cnnviz_jax.verbs.capture import capture
from cnnviz_jax.verbs.explain import explain
from cnnviz_jax.verbs.inspect import inspect
from cnnviz_jax.verbs.outermost import warn
from cnnviz_jax.verbs.synthesize import synthesize


class Monitor:
    """Writes filters, explanations of fixed images, synthesised units and dead units to a training's log.

    Call it at every step: it does something at every `every`th, and nothing else about the training changes. The first
    record adapts the network and compiles; later ones do neither. A record that fails is told as a `CnnvizWarning` and
    ends no training, but for the first, whose mistakes are the caller's.

    Example:
        monitor = cv.Monitor("tensorboard:runs/mnist", test_images[:32], synthesised="conv2")
        for step, batch in enumerate(batches):
            train_step(model, optimizer, batch)
            monitor(step, model)
        monitor.close()
    """

    def __init__(
        self,
        log: str | TrainingLog,
        images: Images,
        *,
        every: int = 100,
        explain: Sequence[str] = ("grad-cam",),
        shown: int = 4,
        target: Any = None,
        filters: bool = True,
        synthesised: str | None = None,
        units: Sequence[int] = (0, 1, 2, 3),
        steps: int = 12,
        dead: bool = True,
        also: Mapping[str, Callable[[Model], Any]] | None = None,
        **adapt_options: Any,
    ) -> None:
        """Open the log.

        Args:
            log: `tensorboard:FOLDER`, `wandb:PROJECT`, what else `cnnviz logs` lists, or an open log: anything with the
                methods `image`, `scalars` and `close` of `cnnviz_jax.plugin.TrainingLog`.
            images: Fixed images (n, h, w, c) in [0, 1]: the first `shown` are explained, and a unit that none of them
                fires counts as dead.
            every: Steps from one record to the next; the first is at step 0, or the first multiple that is seen.
            explain: Techniques that explain the images.
            shown: How many images are explained.
            target: What is explained, one for all images or one for each; each image's top class when not given.
            filters: Whether the filters of the first convolution are shown.
            synthesised: Layer whose units are made visible by activation maximisation, one of them at every other
                record, in turn, as it costs as much as all else together; `None` for none.
            units: Which of them.
            steps: Steps of that ascent.
            dead: Whether the share of dead units is recorded for every ReLU.
            also: Further results by tag: functions of the adapted model that return what an explain, synthesize or
                inspect verb does, or a number.
            **adapt_options: As `cv.adapt` takes them, such as `mean`, `std`, `labels`; `input_shape` is the images'.

        Raises:
            UsageError: There is no such log, or a number is below 1.
        """
        if every < 1 or shown < 1 or steps < 1:
            raise UsageError(f"every, shown and steps are 1 or more, got {every}, {shown} and {steps}")
        if synthesised is not None and not units:
            raise UsageError(f"units of {synthesised!r} to synthesise: name at least one")
        self._images = np.asarray(images)
        if self._images.ndim < 2 or not len(self._images):
            raise UsageError(f"images are several, with a leading axis, got an array of shape {self._images.shape}")
        self._every, self._explain, self._shown, self._target = every, tuple(explain), shown, target
        self._filters, self._synthesised, self._units, self._steps = filters, synthesised, tuple(units), steps
        self._dead, self._also = dead, dict(also or {})
        self._adapt = {"input_shape": self._images.shape[1:], **adapt_options}
        self._model: Model | None = None
        self._records = 0
        self.log = _opened(log)
        """Where it goes."""

    def __call__(self, step: int, native: Any, *args: Any) -> bool:
        """Record the network, if the step is a multiple of `every`; return whether it was.

        Args:
            step: Number of the training's step.
            native: The network as it is now, and `args` what `cv.adapt` takes beside it, such as variables.
        """
        if step % self._every:
            return False
        is_first, failed = self._records == 0, []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CnnvizWarning)  # early on no unit is reached, which the numbers say
            try:
                model = self._adapted(native, args)
                for tag, made in self._parts(model):
                    try:
                        self._write(tag, step, made())
                    except CnnvizError as error:
                        if is_first:
                            raise
                        failed.append(f"step {step}: {tag} is not recorded: {error}")
            except CnnvizError as error:
                if is_first:
                    raise
                failed.append(f"step {step} is not recorded: {error}")
        self._records += 1
        warn(failed)
        return True

    def close(self) -> None:
        """Write what is not written yet."""
        self.log.close()

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _adapted(self, native: Any, args: tuple[Any, ...]) -> Model:
        if isinstance(native, Model):
            return native
        if self._model is None:
            self._model = adapt(native, *args, **self._adapt)
        else:
            self._model = with_numbers_of(self._model, native, *args, **self._adapt)
        return self._model

    def _parts(self, model: Model) -> list[tuple[str, Callable[[], Any]]]:
        """Return what is recorded, by tag, none of it done yet."""
        images = check_images(self._images, model.input_shape, space=model.structure.space)
        parts: list[tuple[str, Callable[[], Any]]] = []
        if self._filters and any(layer.kind == "conv" for layer in model.layers.values()):
            parts.append(("filters", partial(inspect, "filters", model)))
        for technique in self._explain:
            shown = images[: self._shown]
            parts.append((technique, partial(explain, technique, model, shown, self._target, progress=False)))
        if self._synthesised is not None and self._records % 2 == 0:
            layer, unit = self._synthesised, self._units[self._records // 2 % len(self._units)]
            asked: dict[str, Any] = {
                "layer": layer,
                "channels": [unit],
                "key": 0,
                "steps": self._steps,
                "progress": False,
            }
            made = partial(synthesize, "activation-maximization", model, **asked)
            parts.append((f"synthesised/{layer}/{unit}", made))
        if self._dead:
            parts.append(("dead", partial(dead_shares, model, images)))
        return parts + [(tag, partial(make, model)) for tag, make in self._also.items()]

    def _write(self, tag: str, step: int, found: Any) -> None:
        if isinstance(found, Mapping):
            self.log.scalars(step, {f"{tag}/{name}": float(value) for name, value in found.items()})
        elif isinstance(found, int | float | np.number):
            self.log.scalars(step, {tag: float(found)})
        else:
            self.log.image(tag, step, required("sheet", found)(found), ", ".join(found.provenance.targets))
            if hasattr(found, "activation"):
                self.log.scalars(step, {f"{tag}/activation": float(np.asarray(found.activation)[0])})


def dead_shares(model: Model, images: Float[np.ndarray, "n h w c"]) -> dict[str, float]:
    """Return for every ReLU the share of its units that are 0 at every place of every image.

    Cost: one forward pass per image.
    """
    layers = [name for name, layer in model.layers.items() if layer.kind == "relu"]
    found = capture(model, images, layers) if layers else {}
    return {name: float((values.reshape(-1, values.shape[-1]) <= 0).all(0).mean()) for name, values in found.items()}


def _opened(log: Any) -> TrainingLog:
    if not isinstance(log, str):
        if not isinstance(log, TrainingLog):
            raise UsageError(
                f"a log is named, such as 'tensorboard:FOLDER', or has the methods image, scalars and close; got "
                f"{type(log).__name__}"
            )
        return log
    name, _, place = log.partition(":")
    spec = plugins().log(name)
    with code_of(plugins(), "log", spec):
        opened = load(spec.build)(place)
    if not isinstance(opened, TrainingLog):
        raise PluginError(f"{title_of(plugins(), 'log', spec)} opened {type(opened).__name__}; a TrainingLog is needed")
    return opened
