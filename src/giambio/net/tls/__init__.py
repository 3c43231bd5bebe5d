"""TLS: encryption over any stream, with Python's `ssl` doing the cryptography."""
