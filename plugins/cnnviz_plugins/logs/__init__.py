"""Logs of a training that other tools show: TensorBoard and Weights & Biases."""
