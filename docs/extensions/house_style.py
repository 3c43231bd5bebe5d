"""Docstrings as giambio writes them, for Sphinx.

A section is a line such as ``Parameters:`` with an indented block below. Napoleon reads
something alike, but not several names in one entry, nor entries of several lines, nor the
paragraphs that follow a section.

What is shown of a class are the members that have an example, because those are for users;
the others are for the rooms of giambio among themselves. `:undoc-members:` shows all, for the
few classes whose members need no example.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from docutils.nodes import Element
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

HEADING = re.compile(r"(Parameters|Raises|Attributes|Returns|Example):")
PLURAL = re.compile(r"(?<=\w)`(?=s\b)")


def converted(lines: list[str]) -> Iterator[str]:
    """The lines of a docstring, as reStructuredText."""
    position = 0
    while position < len(lines):
        heading = HEADING.fullmatch(lines[position])
        if heading is None:
            yield lines[position]
            position += 1
            continue
        end = position + 1
        while end < len(lines) and (not lines[end] or lines[end].startswith(" ")):
            end += 1
        block = dedented(lines[position + 1 : end])
        if heading[1] == "Example":
            yield from (".. rubric:: Example", "", *block, "")
        elif heading[1] == "Returns":
            yield from (":Returns:", *indented(block), "")
        else:
            yield f":{heading[1]}:"
            for names, text in entries(block):
                # A parameter is only a name; an error leads somewhere.
                mark = "`" if heading[1] == "Raises" else "**"
                shown = ", ".join(f"{mark}{name}{mark}" for name in names)
                first, *more = text
                yield from (f"    * {shown} -- {first}", *indented(more, 6))
            yield ""
        position = end


def entries(block: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    """The entries of a section: names, and what is said of them."""
    names = ""
    text: list[str] = []
    for line in block:
        if not line or line.startswith(" "):
            text.append(line.strip())
            continue
        if text:
            yield names.split(", "), text
            names, text = "", []
        before, colon, after = line.partition(": ")
        names = f"{names} {before}".strip()
        if colon:
            text = [after]
    yield names.split(", "), text


def dedented(block: list[str]) -> list[str]:
    """A block without its indentation, and without empty lines at its ends."""
    margin = min(len(line) - len(line.lstrip()) for line in block if line)
    return "\n".join(line[margin:] for line in block).strip("\n").split("\n")


def indented(block: list[str], margin: int = 4) -> list[str]:
    """A block with an indentation."""
    return [" " * margin + line if line else line for line in block]


def convert(_app: Sphinx, _what: str, _name: str, _obj: Any, _options: Any, lines: Any) -> None:
    """See `autodoc-process-docstring`."""
    # "`Name`s" is no markup by itself: a backslash ends it.
    lines[:] = [PLURAL.sub(r"`\\ ", line) for line in converted(lines)]


def signature(
    _app: Sphinx, what: str, _name: str, obj: Any, _options: Any, shown: str, returned: Any
) -> tuple[str, Any]:
    """See `autodoc-process-signature`.

    A class that users do not make does not say how, and our operations are awaitables to them.
    """
    theirs = what != "class" or issubclass(obj, tuple) or "Parameters:" in (obj.__doc__ or "")
    return (shown if theirs else ""), returned and returned.replace("Operation", "Awaitable")


def skip(_app: Sphinx, what: str, _name: str, obj: Any, skipped: bool, options: Any) -> bool:
    """See `autodoc-skip-member`."""
    shown = options.undoc_members or ">>> " in (getattr(obj, "__doc__", None) or "")
    return skipped or not shown


def from_the_face(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: Element
) -> Element | None:
    """What is not found in another module of ours is in giambio. See `missing-reference`."""
    if node.get("py:module") in (None, "giambio"):
        return None
    node["py:module"] = "giambio"
    domain = env.domains.python_domain
    return domain.resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], node["reftarget"], node, content
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", convert)
    app.connect("autodoc-process-signature", signature)
    app.connect("autodoc-skip-member", skip)
    app.connect("missing-reference", from_the_face)
    return {"parallel_read_safe": True}
