"""`cv.diff`: two networks, or the checkpoints of one training, on the same images."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, cast, overload, runtime_checkable

from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.engine import Chunk, Progress, as_callable, key_text, root_key
from cnnviz_jax.errors import LayerNotFoundError, UsageError
from cnnviz_jax.model.digests import weights_digest
from cnnviz_jax.model.model import Model, require_model
from cnnviz_jax.recorder import Recorder
from cnnviz_jax.results.difference import Difference, Drift
from cnnviz_jax.results.provenance import Call, Provenance
from cnnviz_jax.similarity.minibatches import MINIBATCH
from cnnviz_jax.verbs.diff_networks import Asked, compared
from cnnviz_jax.verbs.diff_training import checkpoints_of, drifted
from cnnviz_jax.verbs.outermost import verb

Form = Literal["auto", "debiased", "biased", "minibatch"]
Training = Sequence[Model] | Recorder
Layers = Sequence[str] | tuple[Sequence[str], Sequence[str]] | None


Options = ParamSpec("Options")


@runtime_checkable
class _Diff(Protocol[Options]):
    """What `diff` returns, by what it compares; the rest of its arguments are written once, below."""

    @overload
    def __call__(self, a: Model, b: Model, *args: Options.args, **kwargs: Options.kwargs) -> Difference: ...

    @overload
    def __call__(self, a: Training, b: Model | None, *args: Options.args, **kwargs: Options.kwargs) -> Drift: ...


def _typed(function: Callable[Concatenate[Any, Any, Options], Any]) -> _Diff[Options]:
    return cast(_Diff[Options], function)


@_typed
@verb
def diff(
    a: Any,
    b: Any,
    images: Any,
    layers: Layers = None,
    *,
    labels: Any = None,
    names: Sequence[str] | None = None,
    form: Form = "auto",
    minibatch: int = MINIBATCH,
    bins: int = 15,
    shown: int = 6,
    swap: bool = False,
    concepts: int = 0,
    key: Any = None,
    batch: Chunk = "auto",
    memory_budget: int | None = None,
    progress: Progress | bool | None = None,
) -> Any:
    """Return how two networks differ on the same images, or how a training moved from checkpoint to checkpoint.

    Layers are compared by CKA, each with each, and their units matched by correlation; predictions by Jensen-Shannon
    divergence, churn, flips and calibration. Frameworks, layer names, widths and weights may differ. A row is an image:
    a layer's values averaged over positions.

    Args:
        a: A network; or a training: its checkpoints in order, as networks or a `cv.Recorder`.
        b: The other network. For a list of checkpoints, what they are compared with, the last of them where it is
            `None`; for a recorder, the network that its parameters belong to, where it does not name one itself.
        images: Images (n, h, w, c) in [0, 1], or the path of a folder, an `.npz` or a `.zarr`; each network gets them
            at its own size where they are files.
        layers: Names of layers of both networks, or two lists, one for each; every convolution and dense layer where
            left out.
        labels: One class index per image, -1 where unknown; for a folder `"folders"` or a CSV file. They add accuracy,
            flips, calibration and the effect on each class.
        names: One name per image, where `images` is an array.
        form: Of CKA: `debiased`, exact over all images; `biased`; `minibatch`, averaged over minibatches by the images'
            numbers, for layers too wide for sums; `auto` is debiased where the sums take at most 256 MiB and no layer
            has more than 1,024 channels.
        minibatch: Images of a minibatch.
        bins: Bins of the calibration.
        shown: How many of the most changed images the result keeps.
        swap: Whether the second network is also run on from the first one's value at each layer of one name and shape:
            where the answers become the first one's, the change has acted.
        concepts: Into how many concepts each layer is taken apart, to tell which of them one network has alone: those
            that a sparse linear map of the other's layer does not predict (RSVC); 10 is usual, 0 for none.
        key: Seed or key of everything random.
        batch: Images at once; decides speed and memory.
        memory_budget: Bytes the compiled program may need.
        progress: Called as `progress(done, total, what)`.
            Where not given, a bar on a terminal and in a notebook; `False` for none, `True` for one anywhere.

    Raises:
        LayerNotFoundError: A network has no such layer.
        ImageError: The images do not fit a network, or none can be read.
        UsageError: Fewer than 4 images, labels beyond the classes, or options that cannot mean anything.

    Cost: one forward pass per network and image, for a training one per checkpoint and image; one compiled program, for
    a training of any length too. With `swap` one pass more, one from each layer on, and one program more. With
    `concepts` no pass more, but a factorisation and 20 sparse regressions per layer. Memory: what `form` says; of a
    training, the rows of three checkpoints.

    Randomness: where there are more than 2,048 images, which of them tell matches by chance and outliers.

    Source: Kornblith et al. 2019 (CKA); Li et al. 2015 (matches); Yan et al. 2021 (flips); Guo et al. 2017
    (calibration); Kondapaneni et al. 2025 (concepts).
    """
    if form not in ("auto", "debiased", "biased", "minibatch"):
        raise UsageError(f'form is "auto", "debiased", "biased" or "minibatch", got {form!r}')
    for name, value, least in (("minibatch", minibatch, 4), ("bins", bins, 1), ("shown", shown, 0),
                               ("concepts", concepts, 0)):  # fmt: skip
        if value < least:
            raise UsageError(f"{name} is {least} or more, got {value}")
    options: dict[str, Any] = {"form": form, "minibatch": minibatch, "bins": bins, "shown": shown}
    options |= ({"swap": True} if swap else {}) | ({"concepts": concepts} if concepts else {})
    seed = root_key(key)
    data = {"images": images, "labels": labels, "names": names}
    running: dict[str, Any] = {"batch": batch, "memory_budget": memory_budget, "progress": as_callable(progress)}

    def provenance(model: Model, *notes: tuple[str, Any], **more: Any) -> Provenance:
        call = Call.of({"layers": layers}, {**data, **more})
        return Provenance.of("diff", model, options, seed=key_text(seed), notes=notes, call=call)

    if isinstance(a, Model):
        require_model(b)
        chosen = _named(a, b, layers)
        datasets = _datasets((a, b), images, labels, names)
        asked = Asked(layers=chosen, form=form, minibatch=minibatch, bins=bins, shown=shown, swap=swap,
                      concepts=concepts, seed=seed)  # fmt: skip
        facts: list[tuple[str, Any]] = [
            (f"weights {side}", weights_digest(each)) for side, each in (("a", a), ("b", b))
        ]
        facts += [
            (f"mean, std {side}", (*each.structure.mean, *each.structure.std)) for side, each in (("a", a), ("b", b))
        ]
        told = provenance(a, ("other", b.name), *facts, ("dataset", datasets[0].source.digest()), b=b)
        return compared(a, b, datasets, asked, told, **running)
    if swap:
        raise UsageError("swap=True compares two networks; give two of the checkpoints")
    if concepts:
        raise UsageError("concepts= compares two networks; give two of the checkpoints")
    steps, models, end = checkpoints_of(a, b)
    first = models.first
    (one, other) = _named(first, end or first, layers)
    if one != other:
        raise UsageError("the checkpoints of a training are compared layer by layer; give one list of layers")
    if form == "minibatch":
        raise UsageError('checkpoints are compared over all images; form is "debiased" or "biased"')
    (dataset,) = _datasets((first,), images, labels, names)
    told = provenance(first, ("steps", steps), ("dataset", dataset.source.digest()), b=b)
    return drifted(steps, models, end, dataset, one, "debiased" if form == "auto" else form, told, **running)


def _named(a: Model, b: Model, layers: Layers) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the layers of each network that are compared, by resolved name."""
    if layers is None:
        return _with_kernels(a), _with_kernels(b)
    if isinstance(layers, str):
        raise UsageError(f"layers is a list of names, or two lists, got the string {layers!r}; write [{layers!r}]")
    is_pair = len(layers) == 2 and not any(isinstance(each, str) for each in layers)
    sides: Any = layers if is_pair else (layers, layers)
    if not all(sides):
        raise UsageError("layers names none; leave it out for every convolution and dense layer")
    try:
        one, other = (tuple(m.layers.resolve(name) for name in side) for m, side in zip((a, b), sides, strict=True))
    except LayerNotFoundError as error:
        if is_pair or a.layers.keys() == b.layers.keys():
            raise
        raise LayerNotFoundError(
            f"{error}; two networks of other names take two lists, layers=([...], [...])"
        ) from error
    return one, other


def _with_kernels(model: Model) -> tuple[str, ...]:
    named = tuple(layer.name for layer in model.layers.values() if layer.kind in ("conv", "dense"))
    if not named:
        raise UsageError(f"{model.name} has no convolution or dense layer; name layers")
    return named


def _datasets(models: Sequence[Model], images: Any, labels: Any, names: Sequence[str] | None) -> list[Dataset]:
    """Return the images for each network, the same object where they take one size."""
    found: list[Dataset] = []
    for model in models:
        if found and model.input_shape == models[0].input_shape:
            found.append(found[0])
            continue
        if found and not isinstance(images, str | Path):
            raise UsageError(
                f"{models[0].name} takes images {models[0].input_shape} and {model.name} {model.input_shape}; "
                f"give a folder, or a network at the other's size: model.at_size(height, width)"
            )
        known = model.labels
        found.append(Dataset.of(images, model.input_shape, labels=labels, names=names, class_names=known))
    return found
