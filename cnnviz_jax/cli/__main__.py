"""`python -m cnnviz_jax.cli` is the command `cnnviz`."""

from cnnviz_jax.cli import command

command()
