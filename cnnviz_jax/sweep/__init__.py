"""Sweeps: whole data sets on any number of devices and hosts, killed and resumed without losing a bit.

The data set is a fixed list 0 to n - 1, cut into device batches of consecutive examples. A device batch is the unit of
compute shape, randomness, storage and resume; a global step does one on each device. Progress is one integer.
Reducers merge exactly. Nothing that is saved depends on the number of devices or processes.
"""
