"""Whether the map lies on the object: measures that compare a map with a mask, without running the network."""
