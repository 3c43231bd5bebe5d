"""Calls every method of objects whose constructor never ran; run by `test_bare_objects.py`.

In a process of its own, because the price of a mistake in compiled code is a crash. What is
raised does not matter. Each line that is printed names what is tried next.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from typing import Any

import giambio
import giambio.testing

#: Not to be called: they end or replace the process, or ask for input.
LEFT_OUT = {"__class__", "__init_subclass__", "__new__", "__subclasshook__", "breakpoint"}
ARGUMENTS: list[tuple[Any, ...]] = [(), (1,), (None, None), (None, None, None), (giambio.sleep, 0)]


def main() -> None:
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None
    for module in (giambio, giambio.testing):
        for name in module.__all__:
            cls = getattr(module, name)
            if inspect.isclass(cls):
                for method in sorted(set(dir(cls)) - LEFT_OUT):
                    print(f"{name}.{method}", flush=True)
                    attempt(cls, method)
    print("done")


def attempt(cls: Any, method: str) -> None:
    for arguments in ARGUMENTS:
        try:
            value = getattr(cls.__new__(cls), method)
            result = value(*arguments)
            if hasattr(result, "__await__"):
                giambio.run(awaited, result)
        except (Exception, SystemExit, GeneratorExit, giambio.CancelledError):
            pass


async def awaited(result: Any) -> None:
    with giambio.move_on_after(0.001):
        await result


if __name__ == "__main__":
    main()
