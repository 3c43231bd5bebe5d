"""Files, paths and the standard streams, without blocking the loop."""
