"""A model as the library sees it: what an adapter builds, its layers by name, and every way to run it.

`verbs/adapt.py` and `verbs/load_model.py` make one.
"""
