"""Clusters: functions that run on other machines, by an engine that exists."""
