"""Workers: processes that serve the same listeners, one for each core, and are replaced."""
