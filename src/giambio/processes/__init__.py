"""Processes: programs that are started and talked to, and functions that run in another one."""
