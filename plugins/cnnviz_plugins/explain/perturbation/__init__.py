"""What changes when parts of the picture are covered."""
