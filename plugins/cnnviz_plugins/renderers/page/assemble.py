"""The whole page as what its template shows: a report, or one result on its own."""

import re
from typing import Any
from urllib.parse import quote

import numpy as np

from cnnviz_jax.plugin import Attribution, FilterBank, ReceptiveFields, RenderError, Report, Synthesis
from cnnviz_plugins.renderers.options import FilterOptions, HtmlOptions
from cnnviz_plugins.renderers.page.sections import (
    Embedded,
    cards,
    field_section,
    figure_section,
    filter_section,
    map_section,
)


def page_values(result: Any, options: HtmlOptions) -> dict[str, Any]:
    """Return everything the template shows.

    Raises:
        RenderError: The result is of a kind that has no page, or holds values that are not finite.
    """
    report = result if isinstance(result, Report) else _alone(result)
    embedded = Embedded()
    images = [
        {"index": k, "name": name, **embedded.image(f"image-{k}", np.asarray(report.images[k]))}
        for k, name in enumerate(report.names)
    ]
    names = ("maps", "filters", "fields", "figures", "syntheses")
    sections: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    columns: list[list[dict[str, Any]]] = []
    rows: list[dict[str, Any]] = []
    for name, one in _results(report):
        # Under the result's own name, such as `feature-maps conv1`, or its technique's.
        summary = report.summaries.get(name) or report.summaries.get(one.provenance.technique, "")
        shown = {"result": one, "name": name, "summary": summary}
        is_first = all(name != row["name"] for row in rows)
        rows.append(shown | {"is_first": is_first, "elapsed": report.elapsed_s.get(name)})
        if isinstance(one, Attribution) and one.view == "maps":
            sections["maps"].append(shown | map_section(one, options, images, embedded))
        elif isinstance(one, Attribution) and one.has_map:
            columns.append([shown | card for card in cards(one, options, embedded)])
        elif isinstance(one, FilterBank):
            sections["filters"].append(shown | filter_section(one, FilterOptions(limit=options.limit), embedded))
        elif isinstance(one, ReceptiveFields):
            sections["fields"].append(shown | field_section(one, images))
        elif isinstance(one, Synthesis):
            sections["syntheses"].append(shown)
        else:
            sections["figures"].append(shown | figure_section(one))
    for k, image in enumerate(images):
        image["cards"] = [column[k] for column in columns]
        image["prediction"] = report.predictions[k] if k < len(report.predictions) else None
    return {
        "title": options.title or report.title,
        "facts": report.model,
        "images": images,
        **sections,
        "techniques": rows,
        "refused": report.refused,
        "layers": report.layers,
        "header": list(dict.fromkeys(key for row in report.layers for key in row)),
        "versions": report.versions,
        "has_explanations": any(image["cards"] or image["prediction"] for image in images),
        "warnings": report.warnings,
        "elapsed_s": list(report.elapsed_s.values()),
        "embedded": embedded.images,
        "site": report.site,
        "in_site": lambda layer, label=None: _in_site(report, layer, label),
    }


def _in_site(report: Report, layer: str, label: str | None) -> str:
    """Return the address of a layer's page in the site, or of a unit's by its label; empty where there is none."""
    if not report.site or layer not in report.site_layers:
        return ""
    own = f"{report.site}#/{quote(layer, safe='')}"
    if label is None:
        return own
    unit = re.fullmatch(r"(?::|channel )?(\d+)", label)
    return f"{own}/{unit[1]}" if unit else ""


def _alone(result: Any) -> Report:
    """Return one result as a report of itself."""
    if not isinstance(result, Attribution | FilterBank | ReceptiveFields | Synthesis):
        raise RenderError(
            f"no page for {type(result).__name__}; there are pages for Report, Attribution, FilterBank, "
            "ReceptiveFields and Synthesis"
        )
    provenance = result.provenance
    images = np.asarray(result.images) if isinstance(result, Attribution) else np.zeros((0, 1, 1, 3), np.float32)
    kind = "syntheses" if isinstance(result, Synthesis) else "inspections"
    found: dict[str, Any] = {
        "attributions" if isinstance(result, Attribution) else kind: {provenance.technique: result}
    }
    return Report(
        title=f"{provenance.technique} · {provenance.model}",
        model={"model": provenance.model} | ({"layer": provenance.layer} if provenance.layer else {}),
        names=tuple(f"image {k + 1}" for k in range(len(images))),
        images=images,
        versions=provenance.versions,
        **found,
    )


def _results(report: Report) -> list[tuple[str, Any]]:
    """Return every result with its name; an inspection may have several."""
    found: list[tuple[str, Any]] = list(report.attributions.items())
    for name, one in report.inspections.items():
        found += [(name, part) for part in (one if isinstance(one, list | tuple) else [one])]
    return [*found, *report.syntheses.items()]
