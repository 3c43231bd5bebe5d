"""The demo, from start to exit code."""

from __future__ import annotations

import signal
import sys
from typing import TextIO

import giambio
from giambio.demo.crowd import hold_crowd
from giambio.demo.scraper import show_scraper
from giambio.demo.system import describe

__all__ = ["show"]


def show(connections: int, driver: str | None = None) -> int:
    """Run the demo.

    Parameters:
        connections: the number to open at once.
        driver: the name of the driver to use; the best one by default.

    Returns:
        The exit code: 0 if every connection was served, 1 if a limit was hit, and
        that of a shell after a signal.

    Raises:
        BrokenPipeError: nobody reads the output.
    """
    try:
        code: int | None = giambio.run(
            demo,
            connections,
            driver,
            sys.stdout,
            driver=driver,
            stop_signals=(signal.SIGTERM,),
            grace=0,
        )
        return 128 + signal.SIGTERM if code is None else code
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        return 128 + signal.SIGINT
    except BrokenPipeError:
        raise  # not a limit: the reader has gone
    except OSError as exc:
        sys.stderr.write(f"limit hit: {describe(exc, 'the demo')}\n")
        return 1


async def demo(connections: int, driver: str | None, output: TextIO) -> int:
    """Run the demo; return the exit code."""
    print(
        f"{headline(driver)}\n\nThree servers, each a little slow, and two scrapers:", file=output
    )
    await show_scraper(output)
    heading = f"\n{connections} connections at once to an echo server in this process:"
    print(heading, file=output, flush=True)
    outcome = await hold_crowd(connections, driver, output)
    print(*outcome.lines(), sep="\n", file=output, flush=True)
    return 0 if outcome.succeeded() else 1


def headline(driver: str | None) -> str:
    """Return a line that names the build, the driver and the system."""
    info = giambio.build_info()
    build = f"{info.build}: {info.reason}" if info.reason else info.build
    return (
        f"giambio {info.version}, {build}, {driver or info.driver} driver, "
        f"{info.python}, {info.platform}"
    )
