"""One global step: every device does one device batch of images, alone, with the same program."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool

from cnnviz_jax.compiling import Executable, compiled
from cnnviz_jax.data.given import in_unit_range
from cnnviz_jax.engine.chunk_planning import is_exhausted
from cnnviz_jax.engine.device_batch import explain_device_batch
from cnnviz_jax.engine.reducers import Batch, derived_values, layers_of, update_all
from cnnviz_jax.model.model import Model
from cnnviz_jax.sweep.errors import OutOfMemoryError
from cnnviz_jax.sweep.store import ArraySpec
from cnnviz_jax.sweep.work import Planned, Work

AXIS = "data"
OK, UNREADABLE, NONFINITE = 1, 2, 3
"""What `status` says of an image; 0 is "not written"."""
STATUSES = ("unwritten", "ok", "unreadable", "nonfinite")

FIXED_BYTES = 64 << 20
"""What any step adds to a process, measured on the CPU."""


@dataclass(frozen=True)
class Step:
    """The compiled step, and what it needs."""

    run: Executable
    """`run(model, deltas, inputs, seed) -> (deltas, outputs)`; the deltas given are used up."""
    mesh: Mesh
    device_batch: int

    @property
    def outputs(self) -> dict[str, Any]:
        """Shapes and dtypes of the per-example outputs by name, for all devices together."""
        outputs: dict[str, Any] = self.run.out[1]
        return outputs

    @property
    def arrays(self) -> dict[str, ArraySpec]:
        """What is stored of one image, by name."""
        return {name: ArraySpec(tuple(leaf.shape[1:]), str(leaf.dtype)) for name, leaf in self.outputs.items()}

    @property
    def need_bytes(self) -> int:
        """Predicted peak memory per device."""
        return self.run.need_bytes + FIXED_BYTES

    @property
    def rows(self) -> int:
        """Images per step over all devices."""
        return self.device_batch * self.mesh.size

    @property
    def sharded(self) -> NamedSharding:
        """How inputs, deltas and outputs lie on the devices."""
        return NamedSharding(self.mesh, PartitionSpec(AXIS))

    @property
    def replicated(self) -> NamedSharding:
        """How the model lies on the devices."""
        return NamedSharding(self.mesh, PartitionSpec())


def compile_step(work: Work, devices: Any, device_batch: int, inner_chunks: tuple[int, ...]) -> Step:
    """Return the step compiled for a device batch of that many images on these devices.

    Everything is inside `shard_map`: each device runs the same program on its own device batch, so that results do not
    depend on their number, and nothing is ever gathered.

    Raises:
        OutOfMemoryError: The compiler says that it cannot fit.
    """
    mesh = Mesh(np.asarray(devices), (AXIS,))
    by_device, alike = NamedSharding(mesh, PartitionSpec(AXIS)), NamedSharding(mesh, PartitionSpec())

    # Its own device batch at the front of every array, whatever the number of devices: no collective, and the very same
    # program text, so that one device and eight give the same bits.
    def local(model: Model, deltas: Any, inputs: Any, seed: Array) -> Any:
        deltas = jax.tree.map(lambda leaf: leaf[0], deltas)
        deltas, outputs = device_batch_outputs(work, inner_chunks, model, deltas, inputs, seed)
        return jax.tree.map(lambda leaf: leaf[None], deltas), outputs

    # Without the check of what varies by device, a gradient with respect to replicated values would lack its sum over
    # devices. Gradients in here are with respect to images and layers, never to the replicated parameters.
    mapped = jax.shard_map(
        local,
        mesh=mesh,
        in_specs=(PartitionSpec(), PartitionSpec(AXIS), PartitionSpec(AXIS), PartitionSpec()),
        out_specs=PartitionSpec(AXIS),
        check_vma=False,
    )

    def placed(leaf: Any, sharding: NamedSharding) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(np.shape(leaf), jnp.result_type(leaf), sharding=sharding)

    model = jax.tree.map(lambda leaf: placed(leaf, alike), work.model)
    deltas = jax.tree.map(lambda leaf: placed(leaf, by_device), empty_deltas(work, mesh.size))
    inputs = jax.tree.map(lambda leaf: placed(leaf, by_device), input_shapes(work, device_batch * mesh.size))
    seed = placed(jax.ShapeDtypeStruct((2,), jnp.uint32), alike)
    identity = (device_batch_outputs, work.key, tuple(devices), device_batch, inner_chunks)
    try:
        # Deltas are used up: a histogram of every layer is megabytes, and two of each would be held.
        program = compiled(mapped, identity, (model, deltas, inputs, seed), donate=(1,))
    except Exception as error:
        if is_exhausted(error):
            raise OutOfMemoryError(
                f"a device batch of {device_batch} images does not fit this device; "
                f"try --device-batch {max(1, device_batch // 2)}"
            ) from error
        raise
    return Step(program, mesh, device_batch)


def input_shapes(work: Work, rows: int) -> dict[str, Any]:
    """Return the shapes of what a step is fed, `rows` images in all."""
    fields = {
        name: jax.ShapeDtypeStruct((rows, *shape), jnp.dtype(kind)) for name, (shape, kind) in work.fields.items()
    }
    return {
        "image": jax.ShapeDtypeStruct((rows, *work.model.input_shape), jnp.dtype(work.image_dtype)),
        "id": jax.ShapeDtypeStruct((rows,), jnp.uint32),
        "inside": jax.ShapeDtypeStruct((rows,), jnp.bool_),
        "readable": jax.ShapeDtypeStruct((rows,), jnp.bool_),
        "fields": fields,
    }


def empty_deltas(work: Work, devices: int) -> dict[str, Any]:
    """Return empty deltas for so many devices, as NumPy arrays with a leading axis of devices."""

    def spread(leaf: Any) -> np.ndarray:
        return np.broadcast_to(np.asarray(leaf)[None], (devices, *leaf.shape))

    deltas = {name: jax.tree.map(spread, reducer.init()) for name, reducer in work.reducers.items()}
    return {**deltas, COUNTS: {"count": np.zeros((devices, len(STATUSES)), np.int32)}}


COUNTS = "status"
"""The delta that counts images by status."""


def device_batch_outputs(
    work: Work, inner_chunks: tuple[int, ...], model: Model, deltas: Any, inputs: Any, seed: Any
) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the deltas with a device batch folded in, and what is stored for each of its images; traceable."""
    images, ids, fields = in_unit_range(inputs["image"]), inputs["id"], inputs["fields"]
    inside, readable = inputs["inside"], inputs["inside"] & inputs["readable"]
    reducers = tuple(work.reducers.values())
    read = layers_of(reducers)
    # One forward pass for all reducers, the prediction and the status; explanations run their own.
    outputs, values = jax.vmap(lambda image: model.run(image, read=read, need_outputs=True))(images)
    values = {**values, **derived_values(reducers, model, images)}
    batch = Batch(ids=ids, valid=readable, values=values, outputs=outputs, fields=fields)
    folded = update_all(reducers, [deltas[name] for name in work.reducers], batch)
    finite = jnp.isfinite(images).all((1, 2, 3))
    for leaf in jax.tree.leaves(outputs):
        finite &= jnp.isfinite(leaf).reshape(len(ids), -1).all(1)
    stored: dict[str, Array] = {}
    top = jnp.zeros(len(ids), jnp.int32)
    if work.has_classes:
        logits = jnp.reshape(outputs, (len(ids), -1, outputs.shape[-1])).mean(1)
        top = logits.argmax(1).astype(jnp.int32)
        stored["pred"], stored["pred_score"] = top, logits.max(1).astype(jnp.float32)
    # fold_in by the image's number in the data set: as `cv.explain(..., key=seed, ids=numbers)` draws, on any device.
    root = jax.random.wrap_key_data(seed, impl="threefry2x32")
    keys = jax.vmap(lambda number: jax.random.fold_in(root, number))(ids)
    for planned, chunk in zip(work.explanations, inner_chunks, strict=True):
        target = planned.target(top, fields.get("label"))
        heatmap, scores = explain_device_batch(planned.fold, model, images, target, keys, inner_chunk=chunk)
        kept, scale = _kept(planned, heatmap)
        finite &= jnp.isfinite(scores) & jnp.isfinite(kept).reshape(len(ids), -1).all(1)
        name = planned.asked.name
        stored[f"heat/{name}"], stored[f"score/{name}"] = kept, scores
        if scale is not None:
            stored[f"scale/{name}"] = scale
        if hasattr(target, "index"):
            stored[f"target/{name}"] = jnp.asarray(target.index, jnp.int32)
    # One value that is not finite, in the image, its scores or any map, and nothing is stored of the image: half a
    # result could not be told from a whole one.
    status = jnp.where(readable, jnp.where(finite, OK, NONFINITE), UNREADABLE)
    status = jnp.where(inside, status, 0).astype(jnp.uint8)
    stored = {name: _blank(value, readable & finite) for name, value in stored.items()}
    if "label" in fields:
        stored["label"] = jnp.where(inside, fields["label"], -1).astype(jnp.int32)
    counted = deltas[COUNTS]["count"].at[status.astype(jnp.int32)].add(inside.astype(jnp.int32))
    deltas = {**dict(zip(work.reducers, folded, strict=True)), COUNTS: {"count": counted}}
    return deltas, {**stored, "status": status}


def _kept(planned: Planned, heatmap: Any) -> tuple[Array, Array | None]:
    """Return the map that is stored, and in float16 the power of two that it was divided by."""
    keep, raw = planned.asked.keep, heatmap.values
    if heatmap.low_res is not None and (keep == "low_res" or (keep == "auto" and planned.fold.view != "layer")):
        raw = heatmap.low_res
    raw = raw.astype(jnp.float32)
    if planned.asked.dtype == "float32":
        return raw, None
    # frexp(5.0) = 0.625 * 2**3: all values over 8 lie in [-1, 1], where float16 has 11 bits down to 2**-14.
    size = jnp.where(jnp.isfinite(raw), jnp.abs(raw), 0).reshape(len(raw), -1).max(1)
    # 2**128 is no float32: the largest maps are divided by 2**126, and their values are below 4.
    exponent = jnp.clip(jnp.frexp(size)[1], -100, 126)
    scale = jnp.ldexp(jnp.ones_like(size), exponent)  # a power of two: dividing rounds nothing
    return (raw / scale.reshape(-1, *(1,) * (raw.ndim - 1))).astype(jnp.float16), scale


def _blank(value: Array, usable: Bool[Array, " b"]) -> Array:
    """Return the fill value where there was no image, or nothing finite to say of it."""
    mask = usable.reshape(-1, *(1,) * (value.ndim - 1))
    fill = jnp.asarray(jnp.nan if jnp.issubdtype(value.dtype, jnp.floating) else -1, value.dtype)
    return jnp.where(mask, value, fill)
