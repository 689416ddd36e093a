"""With `JAX_ENABLE_X64` noise is drawn in float64; images, states and models stay float32."""

import os
import subprocess
import sys

CODE = """
import numpy as np
import cnnviz_jax as cv
model = cv.adapt(lambda p, x: (x * p).mean((1, 2)), np.ones(3, np.float32), input_shape=(8, 8, 3), name="tiny")
for recipe in ("chollet2016", "maco"):
    made = cv.synthesize("activation-maximization", model, target=1, recipe=recipe, steps=2)
    assert made.images.dtype == np.float32, made.images.dtype
"""


def test_synthesis_runs_with_double_precision_enabled():
    environment = {**os.environ, "JAX_ENABLE_X64": "1", "JAX_NUMPY_DTYPE_PROMOTION": "standard"}
    subprocess.run([sys.executable, "-c", CODE], check=True, timeout=300, env=environment)
