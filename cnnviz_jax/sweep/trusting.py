"""What a run folder names that would run code or use the network, and the refusal to do either unasked."""

from pathlib import Path

from cnnviz_jax.downloads import is_url
from cnnviz_jax.errors import UsageError
from cnnviz_jax.files import is_plain
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.references import is_reference
from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.spec import SweepSpec


def refuse_model(folder: RunFolder, spec: SweepSpec) -> None:
    """Refuse to load the model that a run folder names where that imports a module or fetches a file.

    Raises:
        UsageError: It does; said is how to go on.
    """
    if plugins().is_own_factory(spec.model):
        _refuse(folder, f"its model is made by {spec.model!r}, whose code would run", "the model")
    if spec.weights is not None and is_url(spec.weights):
        _refuse(folder, f"its weights come from {spec.weights!r:.120}", "the model")
    if spec.weights is not None and Path(spec.weights).exists() and not _is_data(Path(spec.weights)):
        raise UsageError(f"{folder.root} says that its weights are {spec.weights!r:.120}, which is no file")


def refuse_source(folder: RunFolder, spec: SweepSpec) -> None:
    """Refuse to open the images that a run folder names where that imports a module.

    Raises:
        UsageError: It does; said is how to go on.
    """
    if is_reference(spec.source):
        _refuse(folder, f"its images are made by {spec.source!r}, whose code would run", "the source")


def refuse_surveys(folder: RunFolder, spec: SweepSpec) -> None:
    """Refuse to build the surveys that a run folder names where that imports a module.

    Raises:
        UsageError: It does; said is how to go on.
    """
    for survey in spec.survey:
        if is_reference(survey.technique):
            _refuse(folder, f"its survey is made by {survey.technique!r}, whose code would run", None)


def _is_data(path: Path) -> bool:
    return path.is_dir() or is_plain(path)


def _refuse(folder: RunFolder, what: str, instead: str | None) -> None:
    flag = {"the model": "--model", "the source": "--source"}.get(instead or "")
    own = f"name {instead} yourself ({flag}), or " if instead else ""
    raise UsageError(
        f"{folder.root} says that {what}; {own}if you trust whoever wrote this folder, add --trust (trust=True)"
    )
