"""What the offline page shows, as plain values for the template of `renderers/html.py`: one module per result."""
