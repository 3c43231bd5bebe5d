"""Channels: how tasks pass things on to each other."""
