"""What `cnnviz sweep --dry-run` prints: device batch, memory, steps, sizes, and what more images or devices cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cnnviz_jax.progress.bars import duration

if TYPE_CHECKING:
    from cnnviz_jax.model.model import Model
    from cnnviz_jax.sweep.run_options import RunOptions
    from cnnviz_jax.sweep.spec import SweepSpec

_MILLION = 1_000_000


def plan_rows(
    spec: SweepSpec, model: Model, run: str, options: RunOptions, *, measured: bool
) -> tuple[dict[str, str], list[dict[str, int | str]]]:
    """Resolve the sweep, compile its step, and return what it would do; nothing is written.

    Returns:
        Each fact in words by name, and what more images and devices would cost, a row each; none where the time of an
        image is not known.
    """
    from cnnviz_jax.files import read_lines
    from cnnviz_jax.sweep.layout import RunFolder
    from cnnviz_jax.sweep.planning import costs_of, estimate, free_bytes, measure
    from cnnviz_jax.sweep.resolved import resolve_sweep
    from cnnviz_jax.sweep.status import is_report

    folder = RunFolder(Path(run)).shard(*options.shard)
    resolved = resolve_sweep(spec, model, folder, options)
    first, stop = resolved.part(options.shard)
    step = resolved.step
    compute_s = load_s = None
    origin = "not known: add --measure"
    if measured:
        compute_s, load_s = measure(resolved)
        origin = "measured now"
    elif lines := [line for line in read_lines(folder.root / "log") if is_report(line)]:
        compute_s, origin = lines[-1]["devices"] / lines[-1]["images_per_s"], "from this run's log"
    costs = costs_of(resolved, seconds_per_image=compute_s, load_seconds_per_image=load_s)
    kind, every = options.interval
    every_s = every if kind == "seconds" else every * step.device_batch * (compute_s or 0.0) or 120.0
    own = estimate(costs, stop - first, step.mesh.size, checkpoint_every_s=every_s)
    rows = {
        "images": f"{stop - first:,}" + (f" of {resolved.count:,}" if stop - first != resolved.count else ""),
        "devices": f"{step.mesh.size}",
        "device_batch": f"{step.device_batch} images, inner chunks {resolved.identity['inner_chunks']}",
        "memory per device": f"{_size(step.need_bytes)}, predicted",
        "steps": f"{-(-(stop - first) // step.rows):,} of {step.rows} images",
        "seconds per image": f"{compute_s:.5f} on one device, {origin}" if compute_s else origin,
        "loading": f"{load_s:.5f} s per image" if load_s else "not known: add --measure",
        "examples": f"{_size(own.storage_bytes)} before compression, {own.files:,} files",
        "checkpoint": f"{_size(costs.checkpoint_bytes)}, {own.checkpoints} in all",
        "free disk": _size(free_bytes(folder.root)),
    }
    if not compute_s:
        return rows, []
    larger = (estimate(costs, _MILLION, n, checkpoint_every_s=every_s) for n in (1, 8, 256))
    return rows, [
        {
            "images": each.images,
            "devices": each.devices,
            "time": duration(each.total_s),
            "storage": _size(each.storage_bytes),
            "files": each.files,
            "checkpoints": each.checkpoints,
            "limited_by": each.limit,
        }
        for each in (own, *larger)
    ]


def print_plan(rows: dict[str, str], growth: list[dict[str, int | str]]) -> None:
    """Print a plan for people."""
    width = max(map(len, rows))
    for name, text in rows.items():
        print(f"{name:<{width}}  {text}")
    if growth:
        print(f"\n{'images':>12} {'devices':>8} {'time':>14} {'storage':>10} {'files':>10} {'ckpts':>6}  limited by")
    for each in growth:
        print(
            f"{each['images']:>12,} {each['devices']:>8} {each['time']:>14} {each['storage']:>10} "
            f"{each['files']:>10,} {each['checkpoints']:>6}  {each['limited_by']}"
        )


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
