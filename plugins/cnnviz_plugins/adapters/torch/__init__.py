"""PyTorch modules in JAX: exported once by `torch.export`, then walked operation by operation.

`module.py` makes the `PureModel`, `exported.py` exports, `walk.py` evaluates an exported graph on JAX arrays. The
operations stand in one table (`operations.py`), filled by `elementwise.py`, `shapes.py`, `linear.py`, `pooling.py`,
`normalisation.py` and `resampling.py`. Each takes the arguments of PyTorch's own schema, in its order and under its
names; options without meaning here (memory formats, devices) are taken and not used.
"""
