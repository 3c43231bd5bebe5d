"""Streams of bytes: what all of them promise, and what is built on any of them."""
