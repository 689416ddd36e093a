"""The relevance family: a score handed back layer by layer, each layer sharing out what it got."""
