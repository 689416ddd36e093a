"""Renderers: matplotlib figures, one offline HTML page, and NumPy archives."""
