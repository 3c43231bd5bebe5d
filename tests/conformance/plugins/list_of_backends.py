"""Pytest plugin that puts giambio in Trio's place in AnyIO's list of back ends.

Tests are parametrised by that list when they are collected, so this has to be loaded before
AnyIO's own plugin.
"""

import anyio._core._eventloop

import giambio  # noqa: F401  (makes itself known to AnyIO)

anyio._core._eventloop.BACKENDS = ("asyncio", "giambio")
