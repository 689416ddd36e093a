"""Whether the map depends on what the network has learned: measures of random networks and random classes."""
