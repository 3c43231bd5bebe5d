"""Streams of bytes: the interfaces, and wrappers that work on any stream."""
