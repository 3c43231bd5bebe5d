"""The kernel: tasks, run queue, timers, traps. It knows nothing above it."""
