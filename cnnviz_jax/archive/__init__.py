"""Results as files that last: arrays by name and one JSON text of everything else. No pickle, nothing executed."""
