"""Looking into a live program from outside: a thread that answers, and the commands that ask."""
