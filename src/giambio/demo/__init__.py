"""The program behind ``python -m giambio demo``. It uses giambio as any program would.

show        what happens in which order, and the exit code
scraper     three greeting servers and the first program ever written for giambio
crowd       many connections at once: the server's side, which is this process
server      the echo server itself
clients     the other side, a process of its own
control     the line on which the two processes agree what comes next
system      what the system allows: descriptors, loopback addresses, memory
progress    a bar on a terminal, plain lines elsewhere
"""
