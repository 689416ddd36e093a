"""Whether the map stays when the image hardly changes: measures that explain changed images."""
