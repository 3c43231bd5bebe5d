"""What the regression gate counts, and what it expects; see `check_instructions.py`."""
