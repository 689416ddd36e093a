"""What a layer answers, shown as it is."""
