"""The results as a page of the documentation: counts, one row per network, and what was not right in words."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
_INTRODUCTION = """\
# Menagerie: architectures of other libraries

After this page you know which networks that nobody here wrote were read, and how exactly. `benchmarks/menagerie.py`
builds each from an installed library or a checkout, with random numbers and small images, in a process of its own, and
holds it to seven checks. This page is what it wrote:

```text
python benchmarks/menagerie.py --results menagerie.jsonl --path CHECKOUT --path CHECKOUT
python benchmarks/menagerie.py --results menagerie.jsonl --page docs/menagerie.md --table docs/menagerie.md
```

Rows of networks that were not run again stay as the page had them (`--page`).

| check | holds where |
|---|---|
| adapts | one call of `cv.adapt` reads it; the column `layers` says how many it found |
| equal | scores equal the framework's own forward pass to 1e-5 of the largest, or are as near to 64 bits (below) |
| names | every layer with a kernel is called as a module of the framework, the rest as one or below one |
| boxes | the gradient of a middle and of a late unit lies in the unit's receptive box and touches all four sides |
| Grad-CAM | at the default layer it is finite and not zero everywhere, for one of the five best classes |
| relevance | LRP with `bias=False` hands on what it is given to 5 %, or says that it does not, or why it refuses |
| occlusion | windows recomputed give what the framework's own forward pass of the occluded images gives, as near |

Parameters that are constant when they are made (a head of zeros, a layer scale of 1e-6) get random numbers, as they
would hide most of a network. BatchNorms of PyTorch take the statistics of a batch. `transformers`, scenic's ViT and
Mixer, and the U-Nets have small configurations of their own classes; Haiku's and Keras' networks of 32 pixels are small
members of a family, made by the library's own builder. A name with an option, such as
`convnext_atto(depths=(1, 1, 1, 1))`, is that network with its blocks once in place of many times, by the library's own
option; all else is as published. A row of relevance that "conserves without biases" had sums near zero, which divide
it, until the biases' numbers were set to zero. Where relevance is lost to a softmax or the like, the result warns.
Units whose box is the whole image are looked at where there are no others.

**Refusals.** Biases that take no share leave sums that nearly cancel: of a unit whose summands come to 0.001 and whose
value with its bias is 1, relevance of 1 becomes 1000, above and below zero. In Keras' MobileNetV2 0.35, 0.3 at the
score are 600 in sizes five layers down, and past the 3e38 of 32 bits before the image. That is the rule as defined,
and `lrp` does not bend it: it refuses, names the cause and what helps. Such a row is right where relevance is
conserved once the biases' numbers are zero (and epsilon, as values then shrink to 1e-10), or else where `bias=True`,
which the refusal names, gives finite relevance; the latter are told as "refuses".

**64 bits.** A BatchNorm that divides by a small spread makes more of each rounding, so that two programs that add in
another order can differ by more than 1e-5 in 32 bits. There PyTorch's module runs in 64 bits as well, and both are
compared with that: ours may be off by twice what PyTorch's own 32 bits are off by, as both are one draw of such errors.
The column has the three numbers."""
_ORDER = ("equal", "names", "fields", "grad-cam", "lrp", "occlusion")


def page(rows: Sequence[Row], wrongs: Mapping[tuple[str, str], Sequence[str]]) -> str:
    """Return the Markdown of all rows.

    Args:
        rows: As the results' file has them.
        wrongs: What did not hold, by library and name.
    """
    libraries = list(dict.fromkeys(row["library"] for row in rows))
    good = sum(not wrongs[row["library"], row["name"]] for row in rows)
    kinds = Counter(_lrp_kind(row) for row in rows)
    parts = [
        *_INTRODUCTION.splitlines(),
        "",
        f"{len(rows)} networks, {good} of them right in all seven checks ({100 * good / max(1, len(rows)):.1f} %).",
        "`--list` names more; the same call runs those that are not here yet.",
        "",
        "| library | version | networks | all right |",
        "|---|---|---|---|",
    ]
    for library in libraries:
        own = [row for row in rows if row["library"] == library]
        right = sum(not wrongs[row["library"], row["name"]] for row in own)
        versions = ", ".join(f"{name} {version}" for name, version in own[-1]["versions"].items())
        parts.append(f"| {library} | {versions} | {len(own)} | {right} |")
    parts += ["", "Relevance: " + "; ".join(f"{count} {kind}" for kind, count in kinds.most_common() if kind) + "."]
    for library in libraries:
        own = [row for row in rows if row["library"] == library]
        parts += [
            "",
            f"## {library}",
            "",
            "| network | image | layers | equal | boxes | Grad-CAM at | relevance | occlusion |",
        ]
        parts += ["|---|---|---|---|---|---|---|---|", *(_line(row) for row in own)]
    ordered = [row for library in libraries for row in rows if row["library"] == library]
    told = [(row, wrongs[row["library"], row["name"]]) for row in ordered if wrongs[row["library"], row["name"]]]
    if told:
        parts += ["", "## Not right", "", "| network | what was found |", "|---|---|"]
        parts += [f"| {row['library']} {row['name']} | {_cell('; '.join(found))} |" for row, found in told]
    return "\n".join(parts) + "\n"


def wrongs(row: dict[str, Any]) -> list[str]:
    """Return what did not hold."""
    ended = [row["ended"]] if row.get("ended") else []
    return ended + [f"{name} {text}" for name, text in row.get("checks", {}).items() if text.startswith("wrong")]


def _line(row: Row) -> str:
    checks = row.get("checks", {})
    adapted = re.search(r"ok: (\d+) layers", checks.get("adapts", ""))
    cells = [row["name"], str(row.get("shape", ["?"])[0]), adapted.group(1) if adapted else "**no**"]
    for name in _ORDER:
        text = checks.get(name, "wrong")
        if name == "names":
            continue
        cells.append(_cell(_lrp_kind(row) if name == "lrp" else text[4:]) if text.startswith("ok") else "**no**")
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _lrp_kind(row: Row) -> str:
    text = row.get("checks", {}).get("lrp", "")
    for start, kind in (
        ("ok: conserves", "conserves"),
        ("ok: refuses", "refuses"),
        ("ok: says", "says that it loses some"),
    ):
        if text.startswith(start):
            return kind + (" without biases" if "without biases" in text else "")
    return ""
