"""How a user's words and Python values become frozen configs, checked before any work. Light."""
