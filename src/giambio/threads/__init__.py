"""Worker threads: functions that run in them, and their calls back into the loop."""
