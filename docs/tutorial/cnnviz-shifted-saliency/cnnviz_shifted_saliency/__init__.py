"""Gradients averaged over small shifts of the picture, as a technique of cnnviz_jax."""
