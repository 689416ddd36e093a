"""The graph of a traced program, and how it is evaluated; JAX's insides behind one file."""
