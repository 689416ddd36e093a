"""Adapters: how native models become a `PureModel`, one file per framework.

`plugin.py` says which object belongs to whom. What frameworks share: `call_flags.py` (inference mode
by keyword), `parameters.py` (arrays and their paths), `outputs.py` (where the scores are), `scopes.py`
(layer names for frameworks that leave none in the program).
"""
