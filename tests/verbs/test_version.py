"""`cv.__version__` is that of the installed distribution, and says so where there is none."""

from importlib import metadata

import pytest

import cnnviz_jax as cv


def test_the_version_is_that_of_the_installed_distribution(monkeypatch):
    monkeypatch.setattr(metadata, "version", {"cnnviz-jax": "3.1.4"}.__getitem__)
    assert cv.__version__ == "3.1.4"


def test_a_checkout_that_is_not_installed_calls_itself_source(monkeypatch):
    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    assert cv.__version__ == "0+source"


def test_other_names_are_still_refused():
    with pytest.raises(AttributeError, match="no attribute '__versions__'"):
        cv.__versions__  # noqa: B018
