"""Truth by intervention: scores of maps where parts of an image can be taken away and the network asked again."""
