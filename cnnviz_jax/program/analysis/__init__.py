"""What is known of every value without running anything: layout, dependence, receptive fields."""
