"""What a monitor and its clients say to each other.

A question and its answer are a line of JSON each, and name the version of giambio that speaks.
Both sides are the same version: the tool and the program that it looks into come from
one installation, mostly, and if not, that is said instead of guessing what the other means.
"""

from __future__ import annotations

import json
from typing import Any

from giambio._build.selection import VERSION

__all__ = ["MOST_ASKED", "ProtocolError", "answer", "check_version", "question", "read_question"]

#: The longest question, in bytes.
MOST_ASKED = 1024


class ProtocolError(Exception):
    """The other side has said what it must not; the message is for it, or for the user."""


def question(command: str) -> bytes:
    """Return what a client sends."""
    return json.dumps({"giambio": VERSION, "command": command}).encode() + b"\n"


def answer(**content: Any) -> bytes:
    """Return what a monitor sends: ``answer=`` something, or ``error=`` a text."""
    return json.dumps({"giambio": VERSION, **content}).encode() + b"\n"


def read_question(line: bytes) -> str:
    """Return the command that a client asks for.

    Raises:
        ProtocolError: it is no question, or of another version.
    """
    try:
        asked = json.loads(line)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict) or not isinstance(asked.get("command"), str):
        raise ProtocolError('not understood; a question is {"giambio": VERSION, "command": NAME}')
    check_version(asked, "the tool that asks")
    command: str = asked["command"]
    return command


def check_version(said: dict[str, Any], who: str) -> None:
    """Raise if the other side is of another version.

    Raises:
        ProtocolError: it is.
    """
    other = said.get("giambio")
    if other != VERSION:
        raise ProtocolError(
            f"{who} is of another version of giambio: {other}, and here is {VERSION}; use the "
            "command of the Python that runs the program"
        )
