"""Exception groups: their leaves, and the removal of duplicates.

Interpreted, because Python 3.11 splits groups by Python functions only.
"""

from __future__ import annotations

__all__ = ["connected", "leaves", "unique"]


def leaves(exc: BaseException) -> list[BaseException]:
    """Return the exceptions in a group that are not groups, at any depth, in order."""
    found: list[BaseException] = []
    rest = [exc]
    while rest:  # no recursion: groups may be nested deeper than Python's limit
        one = rest.pop()
        if isinstance(one, BaseExceptionGroup):
            rest.extend(reversed(one.exceptions))
        else:
            found.append(one)
    return found


def connected(exc: BaseException) -> list[BaseException]:
    """Return an exception with all that it refers to: contexts, causes, members of groups."""
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
    """Return each failure once, by identity, also if it is in a group."""
    if len(errors) == 1:
        return errors  # do not look into it: nested blocks make nested groups of one
    seen: set[int] = set()
    result: list[BaseException] = []
    for error in errors:
        rest = without_seen(error, seen)
        if rest is not None:
            seen.update(map(id, leaves(rest)))
            result.append(rest)
    return result


def without_seen(error: BaseException, seen: set[int]) -> BaseException | None:
    """Return the part of an exception that was not seen, or None."""
    if not isinstance(error, BaseExceptionGroup):
        return None if id(error) in seen else error
    if not any(id(leaf) in seen for leaf in leaves(error)):
        return error
    rest: BaseException | None = error.split(
        lambda exc: not isinstance(exc, BaseExceptionGroup) and id(exc) in seen
    )[1]
    return rest
