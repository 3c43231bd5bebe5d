"""The one exception a benchmark reports without a traceback."""

from __future__ import annotations


class BenchmarkError(Exception):
    """Something a person can act on; its text says what and how."""
