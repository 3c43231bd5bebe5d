"""The network: sockets, addresses, names."""
