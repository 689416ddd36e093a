"""A panel for sites of `cnnviz explore`: the mean colour of what fires a unit most."""
