"""What runs the shards of a sweep on other processes and machines."""
