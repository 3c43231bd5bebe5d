"""`RunVar`: a variable that each run of a loop has for itself.

What all tasks of a run share, such as a pool of connections, belongs neither in a global, which
two loops would share and the next run find stale, nor in a context variable, of which each task
has a copy. The names are AnyIO's and Trio's.
"""

from __future__ import annotations

import typing
from typing import Any, Generic, TypeVar

from giambio._build.sealed import final
from giambio.kernel.operation import current_kernel

__all__ = ["RunVar"]

T = TypeVar("T")
D = TypeVar("D")

#: Stands for a value where there is none.
MISSING: Any = type("Missing", (), {"__slots__": (), "__repr__": lambda self: "<no value>"})()
SERVICE = "run variables"


class Values(dict[Any, Any]):
    """The values of one run. A service of the kernel."""

    def __init__(self, services: dict[str, Any]) -> None:
        super().__init__()
        self._services = services

    def loop_ended(self, forked: bool) -> None:
        """Called by the kernel: the next run has values of its own."""
        self.clear()
        self._services.pop(SERVICE, None)


def values() -> Values:
    """Return the values of the run that this thread is in.

    Raises:
        RuntimeError: no loop runs in this thread.
    """
    services = current_kernel()._services
    found: Values | None = services.get(SERVICE)
    if found is None:
        found = services[SERVICE] = Values(services)
    return found


class Token(Generic[T]):
    """What `RunVar.set` returns, for `RunVar.reset`."""

    __slots__ = ("old", "used", "values", "variable")

    def __init__(self, variable: RunVar[T], values: Values) -> None:
        self.variable = variable
        self.values = values
        self.old = values.get(variable, MISSING)
        self.used = False


@typing.final  # for type checkers
@final
class RunVar(Generic[T]):
    """A variable of the run: all its tasks see one value, and other runs do not see it.

    Parameters:
        name: for messages.
        default: its value in a run that has not set it; by default it has none.

    Raises:
        TypeError: `name` is not a string.

    It is made once, at the top of a module. No method is a checkpoint, and all of them
    work only where a loop runs: in tasks and callbacks, and not in a thread of `to_thread`.

    Example:
        >>> import giambio
        >>> requests = giambio.RunVar("requests", default=0)
        >>> async def count():
        ...     requests.set(requests.get() + 1)
        >>> async def main():
        ...     await giambio.gather(count, count)
        ...     return requests.get()
        >>> giambio.run(main), giambio.run(main)
        (2, 2)
    """

    __slots__ = ("__weakref__", "_default", "_name")

    def __init__(self, name: str, default: T = MISSING) -> None:
        if not isinstance(name, str):
            raise TypeError(f"RunVar(name) needs a string, not {name!r}")
        self._name = name
        self._default = default

    @property
    def name(self) -> str:
        """The name it was given.

        Example:
            >>> import giambio
            >>> giambio.RunVar("pool").name
            'pool'
        """
        return self._name

    @typing.overload
    def get(self) -> T: ...
    @typing.overload
    def get(self, default: D) -> T | D: ...
    def get(self, default: Any = MISSING) -> Any:
        """Return the value in this run.

        Parameters:
            default: returned if this run has not set it, instead of the variable's own
                default.

        Raises:
            LookupError: it has no value here, and no default.
            RuntimeError: no loop runs in this thread.

        Example:
            >>> import giambio
            >>> async def main():
            ...     return giambio.RunVar("pool").get("none yet")
            >>> giambio.run(main)
            'none yet'
        """
        found = values().get(self, MISSING)
        for value in (found, default, self._default):
            if value is not MISSING:
                return value
        raise LookupError(
            f"the RunVar {self._name!r} has no value in this run; set() it first, or give it a "
            "default"
        )

    def set(self, value: T) -> Token[T]:
        """Give it a value, for all tasks of this run.

        Parameters:
            value: any object.

        Returns:
            A token, with which `reset` restores what was there before.

        Raises:
            RuntimeError: no loop runs in this thread.

        Example:
            >>> import giambio
            >>> pool = giambio.RunVar("pool")
            >>> async def main():
            ...     pool.set("connections")
            ...     return pool.get()
            >>> giambio.run(main)
            'connections'
        """
        here = values()
        token = Token(self, here)
        here[self] = value
        return token

    def reset(self, token: Token[T]) -> None:
        """Restore the value that it had before a `set`, or that it had none.

        Parameters:
            token: what that `set` has returned. It can be used once, in the same run.

        Raises:
            TypeError: it is no token.
            ValueError: it is another variable's or another run's, or was used already.
            RuntimeError: no loop runs in this thread.

        Example:
            >>> import giambio
            >>> pool = giambio.RunVar("pool", default="none")
            >>> async def main():
            ...     token = pool.set("connections")
            ...     pool.reset(token)
            ...     return pool.get()
            >>> giambio.run(main)
            'none'
        """
        here = values()
        if not isinstance(token, Token):
            raise TypeError(f"RunVar.reset() needs what set() has returned, not {token!r}")
        if token.variable is not self:
            raise ValueError(f"this token belongs to the RunVar {token.variable.name!r}")
        if token.values is not here:
            raise ValueError("this token was made in another run")
        if token.used:
            raise ValueError("this token was used already; each set() returns a new one")
        token.used = True
        if token.old is MISSING:
            del here[self]
        else:
            here[self] = token.old

    def __repr__(self) -> str:
        return f"<giambio.RunVar {self._name!r}>"
