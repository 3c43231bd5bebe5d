"""Worker threads: what is called in them, and what they call back."""
