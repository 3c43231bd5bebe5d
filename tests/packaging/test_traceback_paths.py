"""Every frame of giambio in a traceback leads to a line of code, in both builds.

A compiled module knows its source by the path that it had where it was translated. These tests
raise from compiled functions and look the frames up, as a debugger does.
"""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

import giambio

FOLDER = Path(giambio.__file__).parent


def call_operation_class() -> None:
    """Call the class of an operation: in the compiled build a native module refuses that."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            operation = manager.spawn(giambio.checkpoint)
            await operation
            type(operation)()

    giambio.run(main)


MISTAKES: dict[str, Callable[[], object]] = {
    "a driver that does not exist": lambda: giambio.EventLoop(driver="nonsense"),
    "a manager without a loop": lambda: giambio.TaskManager(5),  # type: ignore[arg-type]
    "a negative semaphore": lambda: giambio.Semaphore(-1),
    "a deadline that is text": lambda: giambio.CancelScope(deadline="now"),  # type: ignore[arg-type]
    "a lock that is not held": lambda: giambio.Lock().release(),
    "main is no async function": lambda: giambio.run(lambda: 5),  # type: ignore[arg-type, return-value]
    "an operation made by hand": call_operation_class,
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_frames_lead_to_lines_of_code(mistake: Callable[[], object]) -> None:
    with pytest.raises((TypeError, ValueError, RuntimeError)) as caught:
        mistake()
    ours = [
        (Path(frame.f_code.co_filename), line)
        for frame, line in traceback.walk_tb(caught.value.__traceback__)
        if str(frame.f_globals["__name__"]).partition(".")[0] == "giambio"
    ]
    assert ours
    for path, line in ours:
        assert path.is_file()
        assert path.is_relative_to(FOLDER)
        assert linecache.getline(str(path), line).strip()


def test_the_last_frame_shows_what_raised() -> None:
    with pytest.raises(TypeError) as caught:
        giambio.TaskManager(5)  # type: ignore[arg-type]
    assert traceback.extract_tb(caught.value.__traceback__)[-1].line == (
        'raise TypeError(f"TaskManager(loop) needs an EventLoop, not {loop!r}")'
    )


@pytest.mark.skipif(giambio.build_info().build == "pure", reason="it is about native modules")
def test_a_frame_of_a_native_module_leads_to_its_own_source() -> None:
    with pytest.raises(TypeError, match="cannot make a") as caught:
        call_operation_class()
    frame = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert frame.filename.endswith(".pyx")
    assert frame.line
