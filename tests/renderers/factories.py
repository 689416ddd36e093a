"""Small results built by hand, with words that would harm a page that trusted them."""

from dataclasses import dataclass

import numpy as np

from cnnviz_jax.program.analysis.reach import Reach
from cnnviz_jax.program.analysis.receptive_field import Field
from cnnviz_jax.results.attribution import Attribution, Prediction
from cnnviz_jax.results.provenance import Provenance
from cnnviz_jax.results.report import Report
from cnnviz_jax.results.synthesis import Synthesis
from cnnviz_jax.results.weights import FilterBank, ReceptiveFields

HOSTILE = "<script>alert('x')</script> & $a$"


@dataclass(frozen=True, kw_only=True)
class Config:
    window: tuple[int, int] = (4, 4)
    fill: str = "mean"
    sigma: float = 0.15


def provenance(technique="made", *, targets=("3 star", HOSTILE), layer="conv1", notes=()):
    return Provenance(
        technique=technique, model="net", config=Config(), targets=targets, layer=layer, seed="00",
        versions=(("jax", "1"),), notes=notes,
    )  # fmt: skip


def attribution(values, view="heatmap", *, low_res=None, channels=3, warnings=(), notes=(), images=None):
    values = np.asarray(values, np.float32)
    n, h, w = values.shape[:3]
    if images is None:
        shape = (n, 12, 10, channels) if view == "maps" else (n, h, w, channels)
        images = np.random.default_rng(1).random(shape).astype(np.float32)
    return Attribution(
        values=values, low_res=low_res, scores=np.arange(n, dtype=np.float32), target=np.arange(n, dtype=np.int32),
        images=images, view=view, provenance=provenance(notes=notes), warnings=warnings,
    )  # fmt: skip


def signed(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def filters(h=3, w=3, i=3, o=6):
    kernel = signed(h, w, i, o)
    kernel[..., 1] = 0
    return FilterBank(kernel=kernel, layer="conv1", provenance=provenance("filters", targets=()))


def receptive_fields():
    first = Reach.of_image(20)
    second = first.windows(9, 3, 2, 0)
    third = second.windows(9, 5, 1, 2)
    reaches = {"input": first, "conv1": second, "conv2": third, "pool": third.hull()}
    fields = {name: Field((reach, reach), is_map=True) for name, reach in reaches.items()}
    fields["dense"] = Field((Reach.everything(20),) * 2, is_map=False)
    return ReceptiveFields(
        fields=fields,
        input_shape=(20, 20, 3),
        kinds=dict.fromkeys(fields, "conv"),
        provenance=provenance("rf", targets=()),
    )


def synthesis(status=("ok", "no_gradient", "diverged", "dead", "ok")):
    n = len(status)
    bad = np.array([one == "diverged" for one in status])
    curves = np.cumsum(np.ones((n, 6), np.float32), -1) * np.where(bad, np.nan, 1.0)[:, None]
    images = np.full((n, 8, 8, 3), 0.5, np.float32)  # grey, as a dead start would be
    return Synthesis(
        images=images, raw=images, curves=curves, activation=curves[:, -1], status=status,
        provenance=provenance("ascent", targets=tuple(f"conv1 channel {k}" for k in range(n))),
    )  # fmt: skip


def report():
    pixels = attribution(signed(2, 20, 20, 3), "pixels", warnings=(f"beware of {HOSTILE}",))
    images = pixels.images
    low = np.abs(signed(2, 4, 4))
    upsampled = np.kron(low, np.ones((5, 5), np.float32))
    prediction = Prediction(
        classes=np.array([3, 1], np.int32), scores=np.array([4.5, 1.25], np.float32),
        probabilities=np.array([0.75, 0.0001], np.float32), labels=("3 star", HOSTILE),
    )  # fmt: skip
    return Report(
        title=f"net {HOSTILE}",
        model={"model": "net", "note": HOSTILE},
        layers=({"name": "conv1", "shape": (9, 9, 6), "stride": None}, {"name": "dense", "shape": (10,)}),
        names=("one.png", HOSTILE),
        images=images,
        predictions=(prediction, prediction),
        attributions={
            "saliency": pixels,
            "cam": attribution(upsampled, low_res=low, images=images),
            "maps conv1": attribution(np.abs(signed(2, 4, 4, 5)), "maps", images=images),
        },
        inspections={"filters": filters(), "rf": receptive_fields()},
        syntheses={"ascent conv1": synthesis()},
        summaries={"saliency": "gradient", "ascent": "inputs that excite", "made": f"by hand {HOSTILE}"},
        refused={"gap": f"no pooling {HOSTILE}"},
        elapsed_s={"saliency": 0.5, "ascent conv1": 70.0, "gap": 0.01},
        versions=(("jax", "1"),),
        warnings=(f"model {HOSTILE}",),
    )
