"""Structured concurrency: cancel scopes, task managers, what a group of tasks raises."""
