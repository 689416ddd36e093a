"""Readers of weights files: one module per format, and `read_weights`, which picks the right one.
`restore` then puts what it reads into a network of your own.

Every reader returns a flat dict from the file's own names to NumPy arrays, runs no code that the file brings, and needs
no PyTorch. It reads no numbers before what the file promises was compared with what is needed (`headers`), and whatever
it raises is told in one sentence (`guard`).
"""

from cnnviz_plugins.models.checkpoints.reading import read_weights
from cnnviz_plugins.models.checkpoints.restoring import restore

__all__ = ["read_weights", "restore"]
