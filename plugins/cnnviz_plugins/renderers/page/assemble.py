"""The whole page as plain values: a report, or one result on its own."""

import json
from typing import Any

import numpy as np

from cnnviz_jax.plugin import Attribution, FilterBank, Provenance, ReceptiveFields, RenderError, Report, Synthesis
from cnnviz_plugins.renderers.options import FilterOptions, HtmlOptions
from cnnviz_plugins.renderers.page.explanations import cards, map_section, prediction_rows
from cnnviz_plugins.renderers.page.sections import (
    Embedded,
    field_section,
    figure_section,
    filter_section,
    synthesis_section,
)
from cnnviz_plugins.renderers.text import options_of, seconds, size


def page_values(result: Any, options: HtmlOptions) -> dict[str, Any]:
    """Return everything the template shows.

    Raises:
        RenderError: The result is of a kind that has no page, or holds values that are not finite.
    """
    if isinstance(result, Report):
        return _report(result, options)
    return _report(_alone(result), options)


def _alone(result: Any) -> Report:
    """Return one result as a report of itself."""
    if not isinstance(result, Attribution | FilterBank | ReceptiveFields | Synthesis):
        raise RenderError(
            f"no page for {type(result).__name__}; there are pages for Report, Attribution, FilterBank, "
            "ReceptiveFields and Synthesis"
        )
    provenance = result.provenance
    name = provenance.technique
    images = np.asarray(result.images) if isinstance(result, Attribution) else np.zeros((0, 1, 1, 3), np.float32)
    where = {"layer": provenance.layer} if provenance.layer else {}
    return Report(
        title=f"{name} · {provenance.model}",
        model={"model": provenance.model} | where,
        layers=(),
        names=tuple(f"image {k + 1}" for k in range(len(images))),
        images=images,
        predictions=(),
        attributions={name: result} if isinstance(result, Attribution) else {},
        inspections={name: result} if isinstance(result, FilterBank | ReceptiveFields) else {},
        syntheses={name: result} if isinstance(result, Synthesis) else {},
        summaries={},
        refused={},
        elapsed_s={},
        versions=provenance.versions,
    )


def _report(report: Report, options: HtmlOptions) -> dict[str, Any]:
    embedded = Embedded()
    images = [
        {"name": name, **embedded.image(f"image-{k}", np.asarray(report.images[k]))}
        for k, name in enumerate(report.names)
    ]
    names = ("maps", "filters", "fields", "figures", "syntheses")
    sections: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    columns: list[list[dict[str, Any]]] = []
    for name, attribution in report.attributions.items():
        summary = _summary(report, name, attribution)
        if attribution.view == "maps":
            sections["maps"].append(map_section(attribution, summary, options, images, embedded))
        else:
            columns.append(cards(name, attribution, summary, options, embedded))
    for name, one in _flat(report.inspections):
        summary = _summary(report, name, one)
        if isinstance(one, FilterBank):
            sections["filters"].append(filter_section(one, summary, FilterOptions(limit=options.limit), embedded))
        elif isinstance(one, ReceptiveFields):
            sections["fields"].append(field_section(one, summary, images))
        else:
            sections["figures"].append(figure_section(one, summary))
    for name, synthesis in report.syntheses.items():
        summary = _summary(report, name, synthesis)
        sections["syntheses"].append(synthesis_section(synthesis, summary, options.limit))
    for k, image in enumerate(images):
        image["cards"] = [column[k] for column in columns]
        image["predictions"] = prediction_rows(report.predictions[k]) if k < len(report.predictions) else []
    return {
        "title": options.title or report.title,
        "facts": list(report.model.items()),
        "images": images,
        **sections,
        "techniques": _techniques(report),
        "refused": list(report.refused.items()),
        "layers": _table(report.layers),
        "versions": list(report.versions),
        "has_explanations": any(image["cards"] or image["predictions"] for image in images),
        "warnings": report.warnings,
        "total": seconds(sum(report.elapsed_s.values())) if report.elapsed_s else "",
        "opacity": options.opacity,
        "embedded": embedded.images,
    }


def _summary(report: Report, name: str, result: Any) -> str:
    """Return the line about a result: under its own name, such as `feature-maps conv1`, or its technique's."""
    provenance = getattr(result, "provenance", None)
    return report.summaries.get(name) or report.summaries.get(getattr(provenance, "technique", ""), "")


def _flat(inspections: dict[str, Any]) -> list[tuple[str, Any]]:
    pairs = []
    for name, one in inspections.items():
        pairs += [(name, part) for part in one] if isinstance(one, list | tuple) else [(name, one)]
    return pairs


def _techniques(report: Report) -> list[dict[str, Any]]:
    """Return one row per technique that ran: options, time, warnings and the whole provenance."""
    everything = [*report.attributions.items(), *_flat(report.inspections), *report.syntheses.items()]
    longest = max(report.elapsed_s.values(), default=0.0)
    rows: list[dict[str, Any]] = []
    for name, result in everything:
        provenance: Provenance = result.provenance
        elapsed = report.elapsed_s.get(name)
        rows.append(
            {
                "name": name,
                "is_first": name not in [row["name"] for row in rows],
                "summary": _summary(report, name, result),
                "layer": provenance.layer or "",
                "options": options_of(provenance),
                "notes": [(key, str(value)) for key, value in provenance.notes],
                "warnings": result.warnings,
                "elapsed": seconds(elapsed) if elapsed is not None else "",
                "length": round(100 * elapsed / longest, 1) if elapsed is not None and longest > 0 else 0,
                "json": json.dumps(provenance.as_dict(), indent=2, ensure_ascii=False),
            }
        )
    return rows


def _table(layers: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    header = list(dict.fromkeys(key for row in layers for key in row))
    return {"header": header, "rows": [[_cell(row.get(key)) for key in header] for row in layers]}


def _cell(value: Any) -> str:
    if isinstance(value, list | tuple):
        return size(value)
    return "" if value is None else str(value)
