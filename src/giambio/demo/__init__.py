"""The program behind ``python -m giambio demo``. It uses giambio as any program would.

show        the demo from start to exit code
scraper     three greeting servers, and the first program ever written for giambio
crowd       many connections at once: the server's side, in this process
clients     the clients' side, a process of its own
control     the connection on which the two processes agree on the next step
system      limits and figures of the system: descriptors, loopback addresses, memory
progress    a progress bar on a terminal, plain lines elsewhere
"""
