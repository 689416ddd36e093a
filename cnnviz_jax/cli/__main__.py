"""`python -m cnnviz_jax.cli` is the command `cnnviz`."""

import sys

from cnnviz_jax.cli import main

sys.exit(main())
