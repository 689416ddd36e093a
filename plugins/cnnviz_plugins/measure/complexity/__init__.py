"""How much a map says: measures of the map alone, without the network and without a mask."""
