"""Structured concurrency: task managers, cancel scopes, timeouts, groups of exceptions."""
