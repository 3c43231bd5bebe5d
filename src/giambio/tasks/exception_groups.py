"""Exceptions that are connected: groups, and what is in them, and each failure only once.

It stays interpreted, because Python 3.11 splits groups only by Python functions.
"""

from __future__ import annotations

__all__ = ["connected", "leaves", "unique"]


def leaves(exc: BaseException) -> list[BaseException]:
    """The exceptions of a group that are no groups, at any depth and in their order."""
    found: list[BaseException] = []
    rest = [exc]
    while rest:  # no recursion: groups may be nested deeper than Python goes
        one = rest.pop()
        if isinstance(one, BaseExceptionGroup):
            rest.extend(reversed(one.exceptions))
        else:
            found.append(one)
    return found


def connected(exc: BaseException) -> list[BaseException]:
    """An exception with all that is behind it: contexts, causes, and what is in groups."""
    found = [exc]
    known = {id(exc)}
    for link in found:
        inner = link.exceptions if isinstance(link, BaseExceptionGroup) else ()
        for other in (link.__context__, link.__cause__, *inner):
            if other is not None and id(other) not in known:
                known.add(id(other))
                found.append(other)
    return found


def unique(errors: list[BaseException]) -> list[BaseException]:
    """Each failure once, by identity, also where it came inside of a group."""
    seen: set[int] = set()
    result: list[BaseException] = []
    for error in errors:
        rest = without_seen(error, seen)
        if rest is not None:
            seen.update(map(id, leaves(rest)))
            result.append(rest)
    return result


def without_seen(error: BaseException, seen: set[int]) -> BaseException | None:
    """What is left of an exception without those that were seen."""
    if not isinstance(error, BaseExceptionGroup):
        return None if id(error) in seen else error
    if not any(id(leaf) in seen for leaf in leaves(error)):
        return error
    rest: BaseException | None = error.split(
        lambda exc: not isinstance(exc, BaseExceptionGroup) and id(exc) in seen
    )[1]
    return rest
