"""The bundled network `shapes`: a generator of pictures with known masks, the network, its training and its weights."""
