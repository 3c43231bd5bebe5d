"""The interactive prompt, ``python -m giambio``: a loop runs while one types."""
