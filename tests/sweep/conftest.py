"""Runs that many tests compare with: one process, one device, never interrupted."""

import pytest

from cnnviz_jax.plugins import reset_plugins
from tests.sweep import harness


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """One compile cache for all commands of the session."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="session")
def reference_run(tmp_path_factory):
    """The usual sweep, in this process, uninterrupted."""
    reset_plugins()
    return harness.sweep(tmp_path_factory.mktemp("reference") / "run").root


@pytest.fixture(scope="session")
def reference(reference_run):
    """Its content."""
    return harness.content(reference_run)


@pytest.fixture
def env(cache):
    """The environment of a command."""
    return harness.environment(cache)
