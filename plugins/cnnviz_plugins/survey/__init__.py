"""What units answer to over a data set of images."""
