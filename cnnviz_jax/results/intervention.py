"""What an intervention returns: the scores of images before and after some of their layers' values were changed."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from cnnviz_jax.results.provenance import Provenance
from cnnviz_jax.results.result import Result
from cnnviz_jax.results.tables import Tabular


@dataclass(frozen=True, kw_only=True, repr=False)
class Intervention(Tabular, Result):
    """Scores before and after edits of layers; each of the `v` variants is one way in which the model was changed."""

    edits: tuple[str, ...]
    """What was asked for, place and change, such as `conv3:31=zero`."""
    each: str
    """What one variant changes: `all` of it, one `edit`, or one `channel` or `position` of one edit."""
    number: Int[np.ndarray, " v"]
    """Which edit each variant makes; 0 where it makes all."""
    item: Int[np.ndarray, " v"]
    """Which channel, or which position counted by rows over the layer; -1 where it is neither."""
    grids: tuple[tuple[int, ...], ...]
    """Rows and columns of the layer of each edit; () for one without a map."""
    before: Float[np.ndarray, " n"]
    """The target's score of each image as it is."""
    after: Float[np.ndarray, "n v"]
    """The target's score in each variant."""
    source: Float[np.ndarray, " n"] | None
    """The target's score of the images whose values were patched in."""
    scores_before: Float[np.ndarray, "n classes"] | None
    """Every class's score as it is; none where the model gives no class scores."""
    scores_after: Float[np.ndarray, "n v classes"] | None
    """Every class's score in each variant."""
    class_names: tuple[str, ...]
    """One per class."""
    images: Float[np.ndarray, "n h w ch"]
    names: tuple[str, ...]
    """One per image; none where they have none."""
    provenance: Provenance
    warnings: tuple[str, ...] = ()

    @property
    def change(self) -> Float[np.ndarray, "n v"]:
        """By how much each variant raises the target's score."""
        return self.after - self.before[:, None]

    @property
    def scores_change(self) -> Float[np.ndarray, "n v classes"] | None:
        """By how much each variant raises every class's score."""
        if self.scores_after is None or self.scores_before is None:
            return None
        return self.scores_after - self.scores_before[:, None]

    @property
    def restored(self) -> Float[np.ndarray, "n v"] | None:
        """Which share of the way from the image's score to the source's each variant goes; NaN where both are equal."""
        if self.source is None:
            return None
        way = (self.source - self.before)[:, None]
        return np.where(way == 0, np.nan, self.change / np.where(way == 0, 1, way)).astype(np.float32)

    @property
    def maps(self) -> dict[str, Float[np.ndarray, "n rows columns"]]:
        """Of each edit with a map, the change of the target's score with each position changed alone; NaN elsewhere."""
        if self.each != "position":
            return {}
        found = {}
        for place, (edit, grid) in enumerate(zip(self.edits, self.grids, strict=True)):
            if len(grid) == 2:
                own = self.number == place
                whole = np.full((len(self.after), grid[0] * grid[1]), np.nan, np.float32)
                whole[:, self.item[own]] = self.change[:, own]
                found[edit] = whole.reshape(len(whole), *grid)
        return found

    def label(self, variant: int) -> str:
        """Return what a variant changes, in words."""
        if self.each == "all":
            return "; ".join(self.edits)
        edit, item = self.edits[self.number[variant]], int(self.item[variant])
        return edit if item < 0 else f"{edit}, {self.each} {item}"

    def table(self) -> list[dict[str, float | int | str]]:
        """Return one row per image and variant: score before and after, change, share restored, classes where known."""
        restored, rows = self.restored, []
        for image in range(len(self.before)):
            for variant in range(self.after.shape[1]):
                row: dict[str, float | int | str] = {"image": self.names[image] if self.names else image}
                row |= {"edit": self.edits[self.number[variant]] if self.each != "all" else "; ".join(self.edits)}
                if self.each in ("channel", "position"):
                    row[self.each] = int(self.item[variant])
                row |= {"before": float(self.before[image]), "after": float(self.after[image, variant])}
                row["change"] = float(self.after[image, variant] - self.before[image])
                if restored is not None:
                    row["restored"] = float(restored[image, variant])
                if self.scores_before is not None and self.scores_after is not None:
                    row["class before"] = self.class_names[int(self.scores_before[image].argmax())]
                    row["class after"] = self.class_names[int(self.scores_after[image, variant].argmax())]
                rows.append(row)
        return rows
