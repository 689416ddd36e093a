"""Arrays of files that a stranger may have written: sizes before numbers, numbers and texts only, no code."""
