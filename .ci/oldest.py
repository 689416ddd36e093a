"""Print pip constraints that pin every dependency of the package, and of the extras named, to the floor it allows.

Usage: python .ci/oldest.py sweep test > oldest.txt
"""

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
wanted = [*project["dependencies"], *(each for name in sys.argv[1:] for each in project["optional-dependencies"][name])]
for requirement in wanted:
    found = re.match(r"([A-Za-z0-9_.-]+)>=([0-9.]+)", requirement)
    if found:
        print(f"{found[1]}=={found[2]}")
