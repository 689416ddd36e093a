"""Draw the figure of the page on trainings: its own example, into a log that keeps the sheets.

python docs/images/make_training.py
"""

import re
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
SHOWN = (0, 40, 60)
GAP = 8


class Kept:
    """A log that keeps every sheet by step."""

    def __init__(self) -> None:
        self.sheets: dict[int, list[np.ndarray]] = {}

    def image(self, tag: str, step: int, sheet: np.ndarray, caption: str) -> None:
        """Keep one."""
        self.sheets.setdefault(step, []).append(sheet)

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Keep none."""

    def close(self) -> None:
        """Do nothing."""


def main() -> None:
    """Run the example and write the figure, a row for each step shown."""
    example = re.findall(r"```python\n(.*?)```", (HERE.parent / "training.md").read_text(), re.DOTALL)[0]
    kept = Kept()
    example = re.sub("^import tensorboardX.*$", "", example, flags=re.MULTILINE)
    exec(example.replace('"tensorboard:runs/spots"', "kept"), {"kept": kept, "__name__": "example"})
    rows = [kept.sheets[step] for step in SHOWN]
    heights = [max(sheet.shape[0] for sheet in row) + GAP for row in rows]
    width = max(sum(sheet.shape[1] + GAP for sheet in row) for row in rows)
    figure = np.full((sum(heights), width, 3), 255, np.uint8)
    for top, row in zip(np.cumsum([0, *heights]), rows, strict=False):
        left = 0
        for sheet in row:
            figure[top : top + sheet.shape[0], left : left + sheet.shape[1]] = sheet
            left += sheet.shape[1] + GAP
    Image.fromarray(figure).save(HERE / "training.png")


if __name__ == "__main__":
    main()
