"""The program of a worker process, and its protocol: frames of pickled bytes.

A request is a function and its arguments; a reply is its result or its exception. Both
sides of the protocol are here, so that they cannot differ. `to_interpreter` speaks it too,
without pipes and frames. Nothing else may write to these pipes, which is why they are not the
worker's standard ones.

`worker_pool.WorkerProcess` starts the program, with the descriptors of two pipes. It serves
calls until its owner closes them. The output of the functions goes where the owner's output
goes; there is no input. Ctrl-C is left to the owner, which kills the worker when the call is
cancelled.
"""

from __future__ import annotations

import io
import os
import pickle
import signal
import sys
import types
import warnings
from contextlib import suppress
from types import FrameType
from typing import Any, BinaryIO, NamedTuple

from giambio.kernel.coroutines import name_of
from giambio.kernel.tracebacks import user_part
from giambio.threads.call import refuse_async

__all__ = [
    "HEADER",
    "check_not_loading_main",
    "describe_main",
    "dump_request",
    "frame",
    "inherit_main",
    "load_reply",
    "main",
    "reply_to",
    "same_path",
]

#: Before each frame comes its length.
HEADER = 8

#: As which a program's main module is known where it is not the main one; the name is
#: that of multiprocessing, so that ``if __name__ == "__main__":`` guards against both.
COPY_OF_MAIN = "__mp_main__"
#: Whether the program's main module is being imported: then it must not start over.
loading_main = False


class RemoteTraceback(Exception):
    """Shows where an exception was raised elsewhere: as its cause."""

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


#: That of the program, where its functions are called for `to_process` or `to_interpreter`.
inherited: Main | None = None


def same_path() -> str:
    """Return a statement after which modules are found where this program finds them."""
    path = [folder for folder in sys.path if isinstance(folder, str)]
    return f"import sys; sys.path[:] = {path!r}"


def inherit_main(described: bytes) -> None:
    """Take over the main module of the program that this serves, as `describe_main` told it."""
    global inherited
    inherited = loads(described)


def check_not_loading_main(what: str) -> None:
    """Refuse a call that importing the program's main module would make, again and again.

    Raises:
        RuntimeError: it is being imported.
    """
    if loading_main:
        raise RuntimeError(
            f"{what} was called while a worker imports the program's main module, "
            "which would go on for ever; put what is to run only once behind "
            '`if __name__ == "__main__":`'
        )


def describe_main() -> bytes:
    """Pickle what a worker needs to find the main module of this program."""
    return pickle.dumps(main_here())


def main_here() -> Main:
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


def dump_request(what: str, function: Any, args: tuple[Any, ...]) -> bytes:
    """Pickle a call of `what`, such as ``"to_process()"``, which messages name.

    Raises:
        TypeError: that is not possible.
    """
    try:
        return pickle.dumps((what, function, args), pickle.HIGHEST_PROTOCOL)
    except Exception as exc:
        place = what[3:-2]
        raise TypeError(
            f"{what} cannot send {name_of(function)}() and its arguments to another "
            f"{place}: {exc}. The function must be found by its name in a module (no lambda, no "
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
    # From Python 3.15 on, showing a traceback through a main module that `runpy` has run warns.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
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
        raise TypeError(f"what came back cannot be unpickled here: {exc}") from exc
    if succeeded:
        return content
    if text:
        content.__cause__ = RemoteTraceback(text)
    raise content


# -- the program of a worker -----------------------------------------------------------------


def main(requests: int, replies: int) -> None:
    """Serve calls until the owner has gone.

    Parameters:
        requests: the descriptor to read from.
        replies: the descriptor to write to.
    """
    signal.signal(signal.SIGINT, leave_to_owner)
    # The owner may go at any time.
    with suppress(BrokenPipeError), open(requests, "rb") as reader, open(replies, "wb") as writer:
        if described := read_frame(reader):
            inherit_main(described)
        while request := read_frame(reader):
            reply = reply_to(request)
            writer.write(frame(reply))
            writer.flush()
            del request, reply


def read_frame(reader: BinaryIO) -> bytes:
    """The next frame; empty if the owner has gone."""
    return reader.read(int.from_bytes(reader.read(HEADER), "big"))


def leave_to_owner(number: int, frame: FrameType | None) -> None:
    """A handler, and not SIG_IGN, which the programs that a function starts would inherit."""


def reply_to(request: bytes) -> bytes:
    """Call a function, and pickle its outcome."""
    try:
        what, function, args = loads(request, load_main)
        returned = function(*args)
        refuse_async(what, function, returned, "run it with giambio.run()")
    except BaseException as exc:
        reply = failure(exc)
    else:
        reply = success(function, returned)
    for stream in filter(None, (sys.stdout, sys.stderr)):
        # Output is to be seen even if the worker is killed later. A closed stream is the
        # function's own affair.
        with suppress(OSError, ValueError):
            stream.flush()
    return reply


def load_main() -> None:
    """Import the program's main module, once, as multiprocessing does: under another name."""
    global loading_main
    if COPY_OF_MAIN in sys.modules:
        return
    import runpy

    described = main_here()
    sys.argv = list(described.arguments)
    module = types.ModuleType(COPY_OF_MAIN)
    loading_main = True
    try:
        if described.name is not None:
            name = described.name
            content = runpy.run_module(name, run_name=COPY_OF_MAIN, alter_sys=True)
        elif described.path is not None:
            content = runpy.run_path(described.path, run_name=COPY_OF_MAIN)
        else:
            raise TypeError(
                "what is defined in this program's main module cannot be run elsewhere, because "
                "that cannot be imported there (it was typed in, or is the __main__ of a "
                "package); define it in a module of its own"
            )
    finally:
        loading_main = False
    module.__dict__.update(content)
    sys.modules["__main__"] = sys.modules[COPY_OF_MAIN] = module
