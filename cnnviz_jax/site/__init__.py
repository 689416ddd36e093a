"""A site: one folder of static files in which every layer, unit, image and class of a network has an address.

`building.py` makes it, layer by layer, each file whole or absent; `reading.py` reads it back. What a unit's page shows
comes from panels, which plugins offer; how it looks is a renderer's matter, which writes `index.html`.
"""
