"""Gradients averaged over small shifts of the image, as a technique of cnnviz_jax."""
