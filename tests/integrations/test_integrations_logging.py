"""`%(taskName)s` in a log is the name of giambio's task."""

from __future__ import annotations

import pytest

from support.programs import printed

PROGRAM = """
{first}
{second}

logging.basicConfig(format="%(taskName)s: %(message)s", stream=sys.stdout, force=True)

async def child():
    logging.warning("in a task")
    giambio.current_loop().call_soon(logging.warning, "in a callback")
    await giambio.to_thread(logging.warning, "in a thread")

async def main():
    async with giambio.TaskManager() as manager:
        manager.start_soon(child, name="the child")

giambio.run(main)
logging.warning("outside")
"""
SAID = [
    "the child: in a task",
    "None: in a callback",
    "None: in a thread",
    "None: outside",
]


@pytest.mark.parametrize("library", ["sys", "asyncio"])
@pytest.mark.parametrize("order", [("giambio", "logging"), ("logging", "giambio")])
def test_the_name_of_the_task_is_in_the_log(library: str, order: tuple[str, str]) -> None:
    """Rule 27.10: whatever is imported first, and with asyncio or without."""
    first, second = order
    code = PROGRAM.format(first=f"import sys, {library}, {first}", second=f"import {second}")
    assert sorted(printed(code)) == sorted(SAID)


def test_a_factory_of_the_programs_own_stays(tmp_path: object) -> None:
    """Rule 27.10."""
    first = """
import sys, logging

def factory(*args, before=logging.getLogRecordFactory(), **keywords):
    record = before(*args, **keywords)
    record.msg = record.msg.upper()
    return record

logging.setLogRecordFactory(factory)
"""
    code = PROGRAM.format(first=first, second="import giambio")
    assert printed(code)[0] == "the child: IN A TASK"


def test_the_adapter_can_be_turned_off() -> None:
    """Rule 27.10."""
    code = "import logging, giambio; print(logging.getLogRecordFactory() is logging.LogRecord)"
    assert printed(code, GIAMBIO_NO_ADAPTERS="1") == ["True"]
