"""`cv.serve`: a site on this machine's browsers, with its network behind it."""

import base64
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from cnnviz_jax.data.images import crop_share_for, fit, image_in
from cnnviz_jax.engine import compiled
from cnnviz_jax.errors import UsageError
from cnnviz_jax.model.model import Model, require_model
from cnnviz_jax.model.predicting import predictions
from cnnviz_jax.plugins import plugins
from cnnviz_jax.site.folder import SiteFolder
from cnnviz_jax.site.gathering import class_count
from cnnviz_jax.site.of_network import site_of
from cnnviz_jax.site.reading import LiveSite, Site
from cnnviz_jax.site.serving import SiteServer
from cnnviz_jax.site.sheets import as_bytes, png
from cnnviz_jax.verbs.explain import explain
from cnnviz_jax.verbs.render import render

TECHNIQUES = ("grad-cam", "saliency", "input-x-gradient", "integrated-gradients", "occlusion")
"""What the page offers, as far as plugins do: maps of one class that take seconds at most."""
_ANSWERS, _UNITS = 5, 24


def serve(folder: str | Path, model: Model, *, port: int = 0, ready: Callable[[SiteServer], Any] | None = None) -> None:
    """Serve a site on this machine until Ctrl-C, with a page on which an image is dropped, explained and painted over.

    It listens on 127.0.0.1 alone and answers only who has the token in the address, which `ready` is handed.

    Args:
        folder: A site that `cv.explore` made.
        model: The network that it was made of.
        port: Where it listens; a free one where it is 0.
        ready: Called as `ready(server)` once it listens: `server.address` is what to open, `server.shutdown()` ends it
            from another thread. Where not given, the address is printed.

    Raises:
        UsageError: There is no site in the folder, it is of other weights, or the port is taken.
    """
    require_model(model)
    site = site_of(model, folder)
    if class_count(model) == 0:
        raise UsageError(f"{model.name} gives no scores of classes, which the live page explains")
    with tempfile.TemporaryDirectory(prefix="cnnviz-") as place:
        render(LiveSite(SiteFolder(Path(folder))), Path(place) / "index.html")
        page = (Path(place) / "index.html").read_bytes()
    live = _Live(model, site)
    try:
        server = SiteServer(SiteFolder(Path(folder)), page, live, port=port)
    except OSError as error:
        raise UsageError(f"cannot listen on 127.0.0.1:{port}: {error.strerror}; --port names another") from error
    with server:
        if ready is None:
            print(f"{server.address}\nserving {folder}; Ctrl-C stops", flush=True)
        else:
            ready(server)
        server.serve_forever(poll_interval=0.1)


class _Live:
    """What is told of an image that is sent."""

    def __init__(self, model: Model, site: Site) -> None:
        self._model, self._site = model, site
        known = plugins().techniques
        self._techniques = [name for name in TECHNIQUES if name in known and known[name].kind == "explain"]

    def __call__(self, data: bytes, words: Mapping[str, str]) -> dict[str, Any]:
        """Return answers, the units that fire most beside their maximum, and, where one is asked for, a map."""
        image = self._image(data)
        told = predictions(self._model, image[None], _ANSWERS)[0]
        found: dict[str, Any] = {
            "techniques": self._techniques,
            "answers": list(zip(told.classes, told.labels, told.scores, told.probabilities, strict=True)),
            "units": self._units(image),
            "image": base64.b64encode(png(as_bytes(image))).decode(),
            "size": image.shape[:2],
        }
        if technique := words.get("technique"):
            found["map"] = self._map(technique, image, words.get("class", ""))
        return found

    def _image(self, data: bytes) -> Float[np.ndarray, "h w c"]:
        height, width, channels = self._model.input_shape
        opened = image_in(data, "the image", channels, least_px=max(height, width))
        # Painted over, it comes back at the network's own size: nothing is cut off then.
        asked = 1 if opened.size == (width, height) else None
        return fit(opened, height, width, crop_share_for(self._model.input_shape, asked))

    def _map(self, technique: str, image: Float[np.ndarray, "h w c"], index: str) -> dict[str, Any]:
        if technique not in self._techniques:
            raise UsageError(f"no technique {technique!r} here; there are {', '.join(self._techniques)}")
        if index and not (index.isdigit() and int(index) < class_count(self._model)):
            raise UsageError(f"class {index!r} does not exist")
        made = explain(technique, self._model, image[None], int(index) if index else None, key=0, progress=False)
        values = np.asarray(made.values[0], np.float64)
        if values.ndim == 3:  # one number per colour: the one of the largest size
            values = np.take_along_axis(values, np.abs(values).argmax(-1)[..., None], -1)[..., 0]
        most = float(np.abs(values).max())
        levels = np.round(127 * values / (most or 1)).astype(np.int8)
        return {
            "technique": technique, "shape": levels.shape, "most": most,
            "levels": base64.b64encode(levels.tobytes()).decode(),
        }  # fmt: skip

    def _units(self, image: Float[np.ndarray, "h w c"]) -> list[tuple[Any, ...]]:
        """Return (layer, unit, value, share of its maximum over the data set), the largest shares first."""
        layers = [row["name"] for row in self._site.summary["layers"] if row["is_shown"] and row["is_done"]]

        def peaks(model: Any, image: Any) -> Any:
            values = model.run(image, read=tuple(layers), need_outputs=False)[1]
            return [values[name].max((0, 1)) if values[name].ndim == 3 else values[name] for name in layers]

        program = compiled(peaks, ("live peaks", tuple(layers)), (self._model, jnp.asarray(image)))
        rows = []
        for name, found in zip(layers, jax.device_get(program(self._model, jnp.asarray(image))), strict=True):
            maxima = self._site.layer(name).get("maximum") or []
            for unit, (value, most) in enumerate(zip(found, maxima, strict=False)):
                if most is not None and most > 0 and value > 0:
                    rows.append((name, unit, float(value), float(value / most)))
        return sorted(rows, key=lambda row: (-row[3], layers.index(row[0]), row[1]))[:_UNITS]
