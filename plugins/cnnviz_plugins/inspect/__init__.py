"""What can be read off a network without images."""
