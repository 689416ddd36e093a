"""What excites a unit most: images made by gradient ascent."""
