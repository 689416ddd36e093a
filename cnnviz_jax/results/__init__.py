"""What the public functions return: frozen records of raw arrays and where they came from."""
