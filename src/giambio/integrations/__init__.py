"""What other libraries need to feel at home in a giambio task; see docs/anyio.md."""
