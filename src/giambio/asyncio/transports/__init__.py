"""The transports of asyncio's connections, compiled, on the driver that giambio's sockets use."""
