"""Helpers that run several tasks and end when all of them have: `gather` and its like."""
