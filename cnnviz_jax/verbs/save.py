"""`cv.save` and `cv.load`: results in files that last. No pickle; nothing in a file is executed."""

from pathlib import Path

from cnnviz_jax.archive.encoding import decoded, encoded
from cnnviz_jax.archive.files import read_npz, read_zarr, suffix_of, write_npz, write_zarr
from cnnviz_jax.errors import RenderError
from cnnviz_jax.results.result import Result


def save(result: Result, path: str | Path) -> Path:
    """Write a result to an `.npz` file or a `.zarr` folder and return the path; `cv.load` reads it.

    Arrays lie there under their own names, such as `values` or `extras/completeness_gap`, for any program that reads
    the format. The file appears under its name only when it is whole.

    Args:
        result: What `explain`, `synthesize`, `inspect`, `survey`, `measure`, `compare` or `report` returned.
        path: Ends in `.npz`, or in `.zarr` where zarr is installed; what this wrote there before is replaced.

    Raises:
        UsageError: It is no result of this package, the path ends otherwise, or zarr is not installed.
        RenderError: The path cannot be written.
    """
    path = Path(path)
    write = {".npz": write_npz, ".zarr": write_zarr}[suffix_of(path)]
    structure, arrays = encoded(result)
    try:
        write(path, structure, arrays)
    except OSError as error:
        raise RenderError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def load(path: str | Path) -> Result:
    """Return the result that `cv.save` wrote, every array bit by bit and every word as it was.

    A target with a function of the user's comes back as its words; the config of a technique that is not installed
    as a dict.

    Args:
        path: The `.npz` file or `.zarr` folder; an `.npz` of `cv.render` or of the command line works too.

    Raises:
        UsageError: The path ends otherwise, or zarr is not installed.
        ResultFileError: It is missing, broken, written by a later version, or holds no result.

    Example:
        kept = cv.load("maps.npz")
        again = cv.rerun(kept.provenance, model, kept.images)
    """
    path = Path(path)
    if suffix_of(path) == ".zarr":
        return decoded(*read_zarr(path), str(path))
    with read_npz(path) as (structure, arrays):
        return decoded(structure, arrays, str(path))
