"""Looking at a running program: the task tree, deadlocks, slow steps."""
