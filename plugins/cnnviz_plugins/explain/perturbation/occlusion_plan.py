"""What a sweep of occlusion would compute, in rows of text: positions, operations of both engines, shares of layers."""

from collections import defaultdict

from cnnviz_jax.plugin import Model, WindowPlan
from cnnviz_plugins.explain.perturbation.windows import Windows


def plan_rows(windows: Windows, count: int, is_incremental: bool, model: Model) -> tuple[tuple[str, str], ...]:
    """Return names and texts.

    Args:
        windows: Where windows stand.
        count: How many are computed.
        is_incremental: Whether only what a window reaches is recomputed.
        model: The model.
    """
    plan = windows.sweep.plan(model)
    ratio = plan.dense_flops / max(plan.flops, 1.0)
    skipped = windows.count - count
    rows = [
        ("window", f"{windows.height} x {windows.width} px, stride {windows.step[0]} x {windows.step[1]}"),
        ("positions", f"{windows.rows} x {windows.cols}" + (f", {skipped:,} of them interpolated" if skipped else "")),
        ("FLOPs dense", f"{_billions(plan.dense_flops)} per window, {_billions(count * plan.dense_flops)} in all"),
        ("FLOPs incremental", f"{_billions(plan.flops)} per window, {_billions(count * plan.flops)} in all"),
        ("dense / incremental", f"{ratio:.2f}"),
        ("engine", "incremental" if is_incremental else "dense"),
    ]
    return (*rows, *_layers(plan, model))


def _layers(plan: WindowPlan, model: Model) -> list[tuple[str, str]]:
    """How much of each layer is recomputed; layers of less than a thousandth of all operations are summed up."""
    named: dict[int, str] = {}
    for name, layer_node in model.program.layers.items():
        for node in layer_node.operation.nodes if layer_node.operation is not None else ():
            named.setdefault(node.order, name)
    dense: dict[str, float] = defaultdict(float)
    done: dict[str, float] = defaultdict(float)
    reasons: dict[str, str] = {}
    for step in plan.steps:
        name = named.get(step.node.order, "other")
        dense[name] += step.dense_flops
        done[name] += step.flops
        if step.recipe is None and step.flops:
            reasons.setdefault(name, step.reason)
    rest = [name for name in dense if name == "other" or dense[name] < 1e-3 * plan.dense_flops]
    rows = []
    for name in dense:
        if name not in rest:
            why = f": {reasons[name]}" if name in reasons else ""
            rows.append((f"  {name}", f"{_share(done[name], dense[name])} of {_billions(dense[name])}{why}"))
    if rest:
        total = sum(dense[name] for name in rest)
        rows.append(("  the rest", f"{_share(sum(done[name] for name in rest), total)} of {_billions(total)}"))
    unknown = sorted({step.reason for step in plan.steps if step.reason.startswith("no window rule")})
    return [*rows, *(("  falls back", f"{reason}: all of its value is recomputed") for reason in unknown)]


def _share(part: float, whole: float) -> str:
    return f"{part / whole if whole else 1:6.1%}"


def _billions(flops: float) -> str:
    return f"{flops / 1e9:,.3g} GFLOP" if flops < 1e12 else f"{flops / 1e12:,.3g} TFLOP"
