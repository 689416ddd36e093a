"""The concept family: what people call a thing, or what a layer does, as directions of its activations."""
