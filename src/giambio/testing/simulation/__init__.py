"""Simulation of whole systems: hosts and the network between them, in one process, by one seed.

`simulate` is the way in. Below it a program's own code runs unchanged, and giambio's down to the
system call: only the sockets' other side, the clocks and chance are simulated.
"""
