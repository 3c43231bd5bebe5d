"""Inspection of a running program: the task tree, deadlock detection, the watchdog."""
