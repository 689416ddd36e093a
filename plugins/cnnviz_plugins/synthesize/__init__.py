"""What excites a unit most: pictures made by gradient ascent."""
