"""Attacks on what reads from outside, seeded: a family of cases a file, each with a `FAMILY` that is found by itself.

`attack(name, seed)` makes and tries one case and judges what came of it. The suite tries a few of each family
(`test_hostile.py`), `benchmarks/hostile.py --minutes N` as many as there is time for.
"""
