"""Portals: a loop for code that runs in other threads."""
