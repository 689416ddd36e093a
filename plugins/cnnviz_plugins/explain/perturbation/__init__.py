"""What changes when parts of the image are occluded."""
