"""The protocol between a worker process and its owner: frames of pickled bytes.

A request is a function and its arguments; a reply is its result or its
exception. Both sides of it are here, so that they cannot differ. Nothing else may
write to these pipes, which is why they are not the worker's standard ones.
"""

from __future__ import annotations

import io
import os
import pickle
import sys
from typing import Any, NamedTuple

from giambio.kernel.coroutines import name_of
from giambio.kernel.tracebacks import user_part

__all__ = [
    "HEADER",
    "Main",
    "RemoteTraceback",
    "describe_main",
    "dump_request",
    "failure",
    "frame",
    "load_reply",
    "loads",
    "success",
]

#: Before each frame comes its length.
HEADER = 8

#: As which a program's main module is known where it is not the main one; the name is
#: that of multiprocessing, so that ``if __name__ == "__main__":`` guards against both.
COPY_OF_MAIN = "__mp_main__"


class RemoteTraceback(Exception):
    """Shows where in another process an exception was raised: as its cause."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(text)

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


def frame(data: bytes) -> bytes:
    """Data, with its length in front."""
    return len(data).to_bytes(HEADER, "big") + data


# -- the main module -----------------------------------------------------------------------


class Main(NamedTuple):
    """Where a worker finds the program's main module: by its name or by its file."""

    name: str | None
    path: str | None
    arguments: list[str]


#: That of the program, in a worker process.
inherited: Main | None = None


def describe_main() -> Main:
    """The main module of this program. As in multiprocessing, that of a package is not found."""
    if inherited is not None:
        return inherited
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        name = spec.name
        runs_package = name == "__main__" or name.endswith(".__main__")
        return Main(None if runs_package else name, None, sys.argv)
    path = getattr(main, "__file__", None)
    return Main(None, None if path is None else os.path.abspath(path), sys.argv)


class Unpickler(pickle.Unpickler):
    """Knows the main module by both its names, and gets it when it is first needed."""

    def __init__(self, data: bytes, main: Any) -> None:
        super().__init__(io.BytesIO(data))
        self._main = main

    def find_class(self, module: str, name: str) -> Any:
        """See `pickle.Unpickler.find_class`."""
        if module in ("__main__", COPY_OF_MAIN):
            self._main()
            module = "__main__"
        return super().find_class(module, name)


def loads(data: bytes, main: Any = lambda: None) -> Any:
    """Unpickle.

    Parameters:
        data: the pickled bytes.
        main: called before something of the main module is looked up.
    """
    return Unpickler(data, main).load()


# -- requests ------------------------------------------------------------------------------


def dump_request(function: Any, args: tuple[Any, ...]) -> bytes:
    """Pickle a call.

    Raises:
        TypeError: that is not possible.
    """
    try:
        return pickle.dumps((function, args), pickle.HIGHEST_PROTOCOL)
    except Exception as exc:
        raise TypeError(
            f"to_process() cannot send {name_of(function)}() and its arguments to another "
            f"process: {exc}. The function must be found by its name in a module (no lambda, no "
            "function inside of another one), and the arguments must be picklable"
        ) from exc


# -- replies -------------------------------------------------------------------------------


def success(function: Any, returned: object) -> bytes:
    """The reply of a function that returned."""
    try:
        return pickle.dumps((True, returned, ""), pickle.HIGHEST_PROTOCOL)
    except Exception as exc:
        problem = f"what {name_of(function)}() returned cannot be sent back: {exc}"
        return pickle.dumps((False, TypeError(problem), ""))


def failure(exc: BaseException) -> bytes:
    """The reply of a function that raised."""
    import traceback

    exc = user_part(exc)
    text = "".join(traceback.format_exception(exc))
    try:
        reply = pickle.dumps((False, exc, text), pickle.HIGHEST_PROTOCOL)
        loads(reply)  # many an exception can be pickled and not be unpickled
    except Exception as problem:
        kind = type(exc).__qualname__
        exc = RuntimeError(f"{kind}: {exc} (it cannot be sent as it is: {problem})")
        reply = pickle.dumps((False, exc, text))
    return reply


def load_reply(reply: bytes) -> Any:
    """Return the function's result.

    Raises:
        BaseException: the function's own, with its traceback there as the cause.
        TypeError: its result could not be pickled, or cannot be unpickled here.
    """
    try:
        succeeded, content, text = loads(reply)
    except Exception as exc:
        raise TypeError(f"what came from the other process cannot be unpickled: {exc}") from exc
    if succeeded:
        return content
    if text:
        content.__cause__ = RemoteTraceback(text)
    raise content
