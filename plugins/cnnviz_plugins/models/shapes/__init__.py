"""The bundled network `shapes`: a generator of images with known masks, the network, its training and its weights."""
