"""What a stranger may have written or sends: sizes before numbers, numbers and texts only, no wait without end."""
