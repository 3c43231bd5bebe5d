"""Adapters for other libraries, so that they work in a giambio task; see docs/anyio.md."""
