"""What stands in two files of the repository agrees: versions, Pythons, the line of ruff, the commands of CI."""

import re
import tomllib

from .pages import CHECKOUT

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def text(path: str) -> str:
    return (CHECKOUT / path).read_text(encoding="utf-8")


def test_the_citation_and_the_changelog_name_the_version():
    version = PROJECT["version"]
    assert re.search(r"^version: (.+)$", text("CITATION.cff"), re.M)[1] == version
    assert re.search(r"^## (\S+)", text("CHANGELOG.md"), re.M)[1] == version


def test_the_workflow_runs_everything_on_each_python_of_the_classifiers():
    named = [each.rsplit(" ", 1)[1] for each in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", each)]
    workflow = text(".github/workflows/ci.yml")
    assert re.findall(r'"(3\.\d+)"', re.search(r"python: \[(.+)\]", workflow)[1]) == named
    assert "run: .ci/run" in workflow
    assert re.search(r"^permissions:\n  contents: read$", workflow, re.M)


def test_pre_commit_formats_with_the_ruff_of_the_extra_dev():
    line = re.search(r"ruff>=(\d+\.\d+)", " ".join(PROJECT["optional-dependencies"]["dev"]))[1]
    assert f"rev: v{line}." in text(".pre-commit-config.yaml")


def test_every_path_that_a_page_for_contributors_links_is_there():
    for page in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", text(page)):
            assert (CHECKOUT / link).exists(), f"{page} links {link}"
