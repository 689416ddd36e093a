"""See what a convolutional network in JAX has learned."""
