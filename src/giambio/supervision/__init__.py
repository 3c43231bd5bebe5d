"""Supervision: functions that begin anew when they have failed."""
