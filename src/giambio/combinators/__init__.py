"""Running several tasks at once: `gather`, `race`, `map_concurrent`, `as_completed`."""
