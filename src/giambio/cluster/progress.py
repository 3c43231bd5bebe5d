"""A progress bar for the calls of a map, by rich, which is an extra.

It is shown on stderr, and only where that is a terminal: a log has no use for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["shown"]


@contextmanager
def shown(name: str, total: int | None) -> Iterator[Callable[[], None]]:
    """Show how many calls have ended, as long as the block lasts.

    Parameters:
        name: of what is called.
        total: how many calls there will be, if that is known.

    Returns:
        A function to call when one has ended.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(name, total=total)
        yield lambda: progress.advance(bar)
