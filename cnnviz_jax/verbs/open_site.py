"""`cv.open_site`: a site read back in Python."""

from pathlib import Path

from cnnviz_jax.site.reading import Site, site_in


def open_site(folder: str | Path) -> Site:
    """Return a site that `cv.explore` made, also one that still grows: `.unit("relu4", 31)` is what its page shows.

    A site is data: reading it imports nothing and runs nothing of what it names.

    Args:
        folder: The folder with `site.json`.

    Raises:
        UsageError: There is no site in the folder.
        ResultFileError: It is damaged, or of a later version.
    """
    return site_in(folder)
