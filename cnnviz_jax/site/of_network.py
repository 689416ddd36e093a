"""The site of a given network, whose units are then those of the site."""

from pathlib import Path

from cnnviz_jax.errors import UsageError
from cnnviz_jax.model.digests import weights_digest
from cnnviz_jax.model.model import Model
from cnnviz_jax.site.reading import Site, site_in


def site_of(model: Model, folder: str | Path) -> Site:
    """Return the site in a folder, which has to be of this network.

    Raises:
        UsageError: There is none, or it is of other weights.
    """
    site = site_in(folder)
    if site.summary["identity"]["weights"] != weights_digest(model):
        raise UsageError(
            f"the site in {folder} is of other weights than {model.name}; give the model that it was made of, or make"
            " it again"
        )
    return site
