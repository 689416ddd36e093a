"""Adapters: how native models become a `PureModel`, one file per framework.

`plugin.py` says which object belongs to whom. What frameworks share: `call_flags.py` (inference mode
by keyword), `outputs.py` (parameters with paths, where the scores are, the `PureModel`), `scopes.py` (layer names for
frameworks that leave none in the program).
"""
