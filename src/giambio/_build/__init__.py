"""Which build runs, and how its classes are sealed."""
