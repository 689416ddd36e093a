"""Gradients of a score with respect to the image, plain, averaged over noise, or through changed ReLUs."""
