"""The loop that users start, and what belongs to it: Ctrl-C, async generators."""
