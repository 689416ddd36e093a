"""What units answer to over a population of images."""
