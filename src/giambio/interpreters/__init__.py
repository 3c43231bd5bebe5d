"""Interpreters beside the program's own, in its process: functions that run in one."""
