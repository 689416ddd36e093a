"""Every explanation on `shapes`, over many images and two seeds, with intervals: the table of `docs/faithfulness.md`.

`python benchmarks/faithfulness.py --results runs.jsonl` explains `--images` held-out images per seed (other images for
each seed, and other draws) by every technique, measures the pointing game, deletion and insertion image by image, and
parameter randomisation on the first few; one JSON line per technique and seed, so that the same command goes on where
it stopped. `--table FILE` writes the Markdown from what is there.

Intervals are 95 % of the bootstrap over images, all techniques with the same images; two techniques share a group where
the interval of their mean places' difference has zero in it. Techniques of thousands of evaluations get `BUDGETS`.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from rows import keep_row, kept_rows
from scipy.stats import spearmanr

import cnnviz_jax as cv
from cnnviz_jax.errors import CnnvizError
from cnnviz_jax.results.intervals import interval, places, resampled_means
from cnnviz_plugins.models.shapes.images import draw_scenes

METRICS: dict[str, dict[str, Any]] = {"pointing-game": {}, "deletion": {"steps": 16}, "insertion": {"steps": 16}}
SIGN = {"pointing-game": -1.0, "deletion": 1.0, "insertion": -1.0}
"""What a measure is multiplied by so that the more faithful map has the smaller number."""
RANDOMIZED = "parameter-randomization"
BUDGETS: dict[str, dict[str, Any]] = {
    "rise": {"masks": 300},
    "kernel-shap": {"samples": 200},
    "lime": {"samples": 200},
    "sobol": {"designs": 16},
    "hsic": {"masks": 200},
    "permutation-shap": {"samples": 4},
    "shapley": {"segments": "grid(3)"},
    "extremal-perturbation": {"steps": 50},
    "guided-ig": {"steps": 30},
    "blur-ig": {"steps": 30},
    "xrai": {"nodes": 10},
    "smoothgrad": {"samples": 20},
    "smoothgrad-squared": {"samples": 20},
    "vargrad": {"samples": 20},
    "smooth-grad-cam++": {"samples": 10},
}


def main() -> None:
    """Measure what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="JSON lines; what is there is not measured again")
    parser.add_argument("--images", type=int, default=500, help="held-out images of each seed")
    parser.add_argument("--randomized", type=int, default=4, help="images of parameter randomisation, seed 0 only")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--techniques", default=None, help="names joined by commas; all if left out")
    parser.add_argument("--table", type=Path, default=None, help="Markdown file to write")
    asked = parser.parse_args()
    names = asked.techniques.split(",") if asked.techniques else list(cv.technique_names("explain"))
    for seed in range(asked.seeds):
        _measure(names, seed, asked)
    if asked.table:
        asked.table.write_text(_table(kept_rows(asked.results, "technique", "seed"), asked), encoding="utf-8")


def _measure(names: list[str], seed: int, asked: Any) -> None:
    done = kept_rows(asked.results, "technique", "seed")
    missing = [name for name in names if (name, seed) not in done]
    if not missing:
        return
    drawn = draw_scenes(range(seed * asked.images, (seed + 1) * asked.images))
    images, masks = np.stack([each.image for each in drawn]), np.stack([each.mask for each in drawn])
    labels, model = np.array([each.label for each in drawn]), cv.load_model("shapes")
    right = float((np.asarray(model(images)).argmax(1) == labels).mean())
    for name in missing:
        row: dict[str, Any] = {"technique": name, "seed": seed, "images": len(images), "right": right,
                               "covered": float(masks.mean())}  # fmt: skip
        began = time.process_time()
        try:
            shared: dict[str, Any] = {"key": seed, "progress": False}
            result = cv.explain(name, model, images, labels, **BUDGETS.get(name, {}), **shared)
            row["cpu_seconds"] = round(time.process_time() - began, 1)
            for metric, options in METRICS.items():
                found = cv.measure(metric, model, images, result, labels, mask=masks, **options, **shared)
                row[metric] = np.asarray(found.values, np.float64).round(6).tolist()
            few = asked.randomized
            if few and not seed:
                first = cv.explain(name, model, images[:few], labels[:few], **BUDGETS.get(name, {}), **shared)
                found = cv.measure(RANDOMIZED, model, images[:few], first, labels[:few], **shared)
                row[RANDOMIZED] = round(found.mean, 4)
        except CnnvizError as reason:
            row["refused"] = str(reason)
        print(name, seed, f"{time.process_time() - began:.0f} CPU s", row.get("refused", ""), flush=True)
        keep_row(asked.results, row)


def _table(rows: dict[tuple[str, int], dict[str, Any]], asked: Any) -> str:
    seeds = range(asked.seeds)
    measured = sorted(name for (name, seed), row in rows.items() if "insertion" in row and not seed)
    names = [name for name in measured if all("insertion" in rows.get((name, seed), {}) for seed in seeds)]
    mean_places = [_mean_places(names, [rows[name, seed] for name in names]) for seed in seeds]
    means = np.mean([each[0] for each in mean_places], axis=0)
    both = {
        metric: np.array([np.concatenate([rows[name, seed][metric] for seed in seeds]) for name in names])
        for metric in METRICS
    }
    _, samples = _mean_places(names, [{metric: both[metric][at] for metric in METRICS} for at in range(len(names))])
    order = np.argsort(means, kind="stable")
    lines = _head("mean place", "alike to place")
    for place, at in enumerate(order):
        cells = _means(names[at], {metric: both[metric][at] for metric in METRICS})
        low, high = interval(samples[at]) or (np.nan, np.nan)
        cells.append(f"{means[at]:.1f} ({low:.1f} to {high:.1f})")
        alike = place
        for other in range(place + 1, len(order)):
            ends = interval(samples[order[other]] - samples[at])
            alike = other if ends is not None and ends[0] <= 0 <= ends[1] else alike
        cells.append(str(alike + 1))
        lines.append("| " + " | ".join([*cells, _randomized(rows[names[at], 0])]) + " |")
    if once := [name for name in measured if name not in names]:
        lines += ["", "On the first seed's images alone, not ranked:", "", *_head()]
        for name in once:
            row = rows[name, 0]
            lines.append("| " + " | ".join([*_means(name, row), _randomized(row)]) + " |")
    agree = spearmanr(mean_places[0][0], mean_places[1][0]).statistic if len(mean_places) == 2 else np.nan
    return "\n".join([*lines, "", *_notes(names, rows, asked, float(agree))]) + "\n"


def _head(*more: str) -> list[str]:
    heads = ("technique", *(metric.replace("-", " ") for metric in METRICS), *more, "randomised")
    return ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]


def _means(name: str, values: dict[str, Any]) -> list[str]:
    """Write a technique's name, and its mean and interval by every measure."""
    cells = [f"[{name}](techniques/{name}.md)"]
    for metric in METRICS:
        own = np.array(values[metric], np.float64)
        low, high = interval(resampled_means(own[None])[0]) or (np.nan, np.nan)
        cells.append(f"{np.nanmean(own):.3f} ({low:.3f} to {high:.3f})")
    return cells


def _randomized(row: dict[str, Any]) -> str:
    kept = row.get(RANDOMIZED)
    return "-" if kept is None else f"{kept:.2f}"


def _notes(names: list[str], rows: dict[tuple[str, int], dict[str, Any]], asked: Any, agree: float) -> list[str]:
    one = rows[names[0], 0]
    budgets = [
        f"`{name}` {', '.join(f'{option} {value}' for option, value in each.items())}"
        for name, each in BUDGETS.items()
        if name in names
    ]
    refused = [
        f"`{name}`: {row['refused']}" for (name, seed), row in sorted(rows.items()) if "refused" in row and not seed
    ]
    return [
        f"{one['images']} held-out images for each of {asked.seeds} seeds; the network names {one['right']:.1%} of the",
        f"first seed's rightly. The object covers {one['covered']:.3f} of an image: chance at the pointing game.",
        f"Rank correlation of the two seeds' orders: {agree:.3f}. Parameter randomisation: {asked.randomized} images.",
        f"Budgets: {'; '.join(budgets)}; defaults else.",
        f"Not ranked: {'; '.join(refused) or 'none'}.",
    ]


def _mean_places(names: list[str], rows: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Return each technique's mean place, and the same over bootstrap samples of the images."""
    found, sampled = [], []
    for metric, sign in SIGN.items():
        values = np.array([row[metric] for row in rows], np.float64)
        found.append(places(sign * np.nanmean(values, 1)[:, None])[:, 0])
        sampled.append(places(sign * resampled_means(values)))
    return np.mean(found, 0), np.mean(sampled, 0)


if __name__ == "__main__":
    main()
