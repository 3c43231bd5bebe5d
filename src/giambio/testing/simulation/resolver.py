"""Names of hosts to their addresses, inside a simulation."""

from __future__ import annotations

import socket
from typing import Any

from giambio.kernel.checkpoints import sleep
from giambio.net.address import IP, is_numeric
from giambio.net.resolver import Resolver
from giambio.testing.simulation.network import LOOPBACKS, Network

__all__ = ["SimulatedResolver"]

#: How long a look-up takes, in seconds.
LATENCY = 0.0005
WILDCARDS = ("0.0.0.0", "::")


class SimulatedResolver(Resolver):
    """Knows the hosts of a simulation and nobody else."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self._network = network

    async def getaddrinfo(
        self,
        host: str | bytes | None,
        port: str | bytes | int | None,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[tuple[int, int, int, str, Any]]:
        """See `Resolver.getaddrinfo`."""
        await sleep(LATENCY)
        return self.look_up(host, port, family, type, proto, flags)

    def look_up(
        self,
        host: str | bytes | None,
        port: str | bytes | int | None,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[tuple[int, int, int, str, Any]]:
        """Return the addresses of a host, in the form of `socket.getaddrinfo`.

        Raises:
            socket.gaierror: there is no such host, or it has no address of that family.
        """
        name = host.decode() if isinstance(host, bytes) else host
        kinds = [type] if type else [socket.SOCK_STREAM, socket.SOCK_DGRAM]
        addresses = self._addresses(name, bool(flags & socket.AI_PASSIVE))
        found: list[tuple[int, int, int, str, Any]] = [
            (of, socket.SocketKind(kind), 0, "", full_address(of, address, int(port or 0)))
            for of, address in addresses
            if family in (0, of)
            for kind in kinds
        ]
        if not found:
            raise socket.gaierror(socket.EAI_ADDRFAMILY, f"{name!r} has no address of that family")
        return found

    def _addresses(self, name: str | None, passive: bool) -> list[tuple[int, str]]:
        if name:
            numeric: list[tuple[int, str]] = [
                (family, name) for family in IP if is_numeric(family, name)
            ]
            if numeric:
                return numeric
        if name == "localhost":
            own = LOOPBACKS
        elif not name:
            own = WILDCARDS if passive else LOOPBACKS
        elif name in self._network.hosts:
            host = self._network.hosts[name]
            own = host.address, host.address6
        else:
            known = ", ".join(sorted(self._network.hosts)) or "none"
            raise socket.gaierror(
                socket.EAI_NONAME, f"the simulation has no host {name!r}; its hosts: {known}"
            )
        return [(socket.AF_INET, own[0]), (socket.AF_INET6, own[1])]

    async def getnameinfo(self, address: Any, flags: int = 0) -> tuple[str, str]:
        """See `Resolver.getnameinfo`."""
        await sleep(LATENCY)
        host = self._network.by_address.get(address[0])
        return (address[0] if host is None else host.name), str(address[1])


def full_address(family: int, address: str, port: int) -> Any:
    """Return an address with all the parts that its family has."""
    return (address, port) if family == socket.AF_INET else (address, port, 0, 0)
