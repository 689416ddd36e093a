"""Whether the score does what the map says: measures that change the image and watch the score."""
