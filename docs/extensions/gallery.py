"""The directive `gallery`, and one-line summaries in the list of techniques.

Both ask the plugins, so that a new technique stands there as soon as its page does: `gallery` shows every technique by
the first image of its page, or by words where the page has none.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.specs import TechniqueSpec

INDEX = "techniques/index"
"""The page that lists the techniques."""
KINDS = {
    "explain": "Where a model looks",
    "synthesize": "What excites a unit",
    "inspect": "What a model holds",
    "survey": "What units answer to",
    "dictionary": "Features beyond units",
    "measure": "How faithful a map is",
}
_IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)|```\{image\} (\S+)\n:alt: (.*)")
_SECTION = re.compile(r"^## `([^`]+)`$", re.MULTILINE)


class Card(NamedTuple):
    """A technique as the gallery shows it."""

    name: str
    summary: str
    page: str
    """Its page, or the page of its family, from the folder of the documentation."""
    image: str | None
    """The page's first image, from the folder of the documentation."""
    alt: str


def cards(docs: Path) -> dict[str, list[Card]]:
    """Return the cards of the built-in techniques by kind, in the order of the registry.

    Args:
        docs: The folder of the documentation.
    """
    registry, homes = plugins(), {path.stem: path for path in sorted((docs / "techniques").glob("*.md"))}
    for page in sorted((docs / "measures").glob("*.md")):
        homes |= dict.fromkeys(_SECTION.findall(page.read_text(encoding="utf-8")), page)
    found: dict[str, list[Card]] = {kind: [] for kind in KINDS}
    for spec in registry.techniques.values():
        if spec.name in homes and registry.owner("technique", spec.name).startswith("cnnviz-jax:"):
            found[spec.kind].append(_card(spec, homes[spec.name], docs))
    return found


def _card(spec: TechniqueSpec, page: Path, docs: Path) -> Card:
    shown = _IMAGE.search(page.read_text(encoding="utf-8"))
    alt, image = (shown[1] or shown[4], shown[2] or shown[3]) if shown else ("", None)
    path = (page.parent / image).resolve().relative_to(docs.resolve()).as_posix() if image else None
    return Card(spec.name, spec.summary, page.relative_to(docs).with_suffix("").as_posix(), path, alt)


class Gallery(SphinxDirective):
    """`{gallery}`: a section per kind, in each a card per technique."""

    def run(self) -> list[nodes.Node]:
        """Return the sections; families that share a page share an image, which is shown once."""
        docs = Path(self.env.srcdir)
        sections: list[nodes.Node] = []
        for kind, found in cards(docs).items():
            for card in found:
                self.env.note_dependency(str(docs / f"{card.page}.md"))
            section = nodes.section(ids=[nodes.make_id(kind)], names=[kind])
            section += nodes.title("", KINDS[kind])
            shown: set[str | None] = {None}
            grid = nodes.container(classes=["gallery"])
            for card in found:
                grid += _shown(card, self.env.docname, is_new=card.image not in shown)
                shown.add(card.image)
            section += grid
            sections.append(section)
        return sections


def _shown(card: Card, docname: str, *, is_new: bool) -> nodes.container:
    box = nodes.container(classes=["gallery-card"])
    if is_new:
        box += nodes.image(uri=f"/{card.image}", alt=card.alt)
    box += nodes.paragraph("", "", _link(card, docname), nodes.Text(f": {card.summary}"))
    return box


def _link(card: Card, docname: str) -> addnodes.pending_xref:
    return addnodes.pending_xref(
        "", nodes.literal("", card.name),
        refdomain="std", reftype="doc", reftarget=f"/{card.page}", refdoc=docname, refexplicit=True, refwarn=True,
    )  # fmt: skip


def with_summaries(app: Sphinx, doctree: nodes.document) -> None:
    """Put what each technique is beside its name in the list of techniques, in the place of bare names."""
    docname = app.env.docname
    if docname != INDEX:
        return
    by_page: dict[str, list[Card]] = {}
    for card in (each for found in cards(Path(app.srcdir)).values() for each in found):
        by_page.setdefault(card.page, []).append(card)
    for toctree in list(doctree.findall(addnodes.toctree)):
        listed = nodes.bullet_list("", *_items(toctree["includefiles"], by_page, docname))
        toctree["hidden"] = True
        wrapper = toctree.parent
        wrapper.parent.insert(wrapper.parent.index(wrapper), listed)


def _items(pages: list[str], by_page: dict[str, list[Card]], docname: str) -> Iterator[nodes.list_item]:
    for page in pages:
        for card in by_page.get(page, []):
            yield nodes.list_item("", nodes.paragraph("", "", _link(card, docname), nodes.Text(f": {card.summary}")))


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive, the summaries and the style of the cards."""
    app.add_directive("gallery", Gallery)
    app.connect("doctree-read", with_summaries)
    app.add_css_file("gallery.css")
    return {"parallel_read_safe": True}
