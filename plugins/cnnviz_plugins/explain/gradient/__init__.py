"""Gradients of a score with respect to the picture, plain, averaged over noise, or through changed ReLUs."""
