"""The echo servers that are compared, and which of them can run here."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

SERVERS = Path(__file__).resolve().parent.parent / "servers"

C_EPOLL = "c-epoll"
UVLOOP_PROTOCOL = "uvloop-protocol"
BASELINES = (C_EPOLL, UVLOOP_PROTOCOL)
"""Whom everybody is compared with."""


@dataclass(frozen=True)
class Peer:
    name: str
    script: str | None
    """Its file in `servers/`; None for the C server."""
    requires: str | None = None
    """The package it needs, which also is what pip calls it."""

    def available(self) -> bool:
        return self.requires is None or importlib.util.find_spec(self.requires) is not None

    def command(self, c_server: Path) -> list[str | Path]:
        if self.script is None:
            return [c_server]
        return [sys.executable, "-u", SERVERS / self.script]


ALL = (
    Peer("giambio", "giambio_sockets.py", requires="giambio"),
    Peer(C_EPOLL, None),
    Peer(UVLOOP_PROTOCOL, "uvloop_protocol.py", requires="uvloop"),
    Peer("uvloop-streams", "uvloop_streams.py", requires="uvloop"),
    Peer("trio", "trio_sockets.py", requires="trio"),
    Peer("asyncio-sockets", "asyncio_sockets.py"),
    Peer("asyncio-streams", "asyncio_streams.py"),
)
