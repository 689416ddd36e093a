"""What attention between tokens tells of the image."""
