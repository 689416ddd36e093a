"""The collections of pages beside those of units, one file each."""
