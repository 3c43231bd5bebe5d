"""Adapters for other libraries: that they work in a giambio task, and that they see its loops."""
