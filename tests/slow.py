"""Which tests are slow, by measurement: `pytest --junitxml=run.xml && python tests/slow.py run.xml` writes slow.txt.

`pytest -m "not slow"` leaves out the functions listed there. A function is slow if its cases take more than `LEAST_S`
each on average: what is left is most of the suite in a small part of its time.
"""

import sys
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from pathlib import Path

LIST = Path(__file__).with_suffix(".txt")
LEAST_S = 0.2
"""Seconds of one case with its fixtures, two processes beside each other on two cores."""


def slow_functions() -> frozenset[str]:
    """Return the functions of slow.txt, as `tests/file.py::function`."""
    return frozenset(LIST.read_text(encoding="utf-8").split())


def measured(report: Path) -> list[str]:
    """Return the slow functions of a run, by its report in JUnit's XML."""
    seconds = defaultdict(list)
    for case in ElementTree.parse(report).iter("testcase"):
        file = case.attrib["classname"].replace(".", "/") + ".py"
        seconds[f"{file}::{case.attrib['name'].partition('[')[0]}"].append(float(case.attrib["time"]))
    return sorted(name for name, each in seconds.items() if sum(each) > LEAST_S * len(each))


if __name__ == "__main__":
    LIST.write_text("".join(f"{name}\n" for name in measured(Path(sys.argv[1]))), encoding="utf-8")
