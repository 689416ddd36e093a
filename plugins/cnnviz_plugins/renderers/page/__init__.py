"""What the offline page shows, as plain values for the template: one module per kind of result."""
