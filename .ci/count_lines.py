"""Counts lines of code per package: `python .ci/count_lines.py [FOLDER]`.

How much there is to read is a number that should fall, or at least not grow unnoticed, and
counting by hand never gives the same number twice. A line counts if a token of the language
stands on it: blank lines, comments and docstrings do not, so explaining something is free.
"""

from __future__ import annotations

import io
import sys
import tokenize
from collections import Counter, defaultdict
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "giambio"
#: What runs, and what only declares types.
CODE = (".py", ".pyx")
DECLARATIONS = (".pyi", ".pxd")
HEADING = "package"

IGNORED = {tokenize.COMMENT, tokenize.NL}
LAYOUT = {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def count(text: str) -> int:
    """Return the number of lines of code in the text of a module.

    Python's tokeniser reads Cython as well: the two differ in grammar, not in tokens.

    Parameters:
        text: Python, a stub, or Cython.
    """
    tokens = [
        token
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in IGNORED
    ]
    lines: set[int] = set()
    for index, token in enumerate(tokens):
        if token.type in LAYOUT:
            continue
        begins = index == 0 or tokens[index - 1].type in LAYOUT
        if token.type == tokenize.STRING and begins and tokens[index + 1].type in LAYOUT:
            continue  # a docstring: a statement that is nothing but a string
        lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines)


def count_packages(package: Path) -> dict[str, Counter[str]]:
    """Count the lines of each suffix, for each subpackage; modules at the top are under "."."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for path in sorted(package.rglob("*")):
        if path.suffix in CODE + DECLARATIONS:
            folders = path.relative_to(package).parts[:-1]
            name = folders[0] if folders else "."
            counts[name][path.suffix] += count(path.read_text(encoding="utf-8"))
    return dict(sorted(counts.items()))


def table(counts: dict[str, Counter[str]]) -> str:
    """Lay the counts out: a line for each package, and the total."""
    rows = counts | {"total": sum(counts.values(), Counter[str]())}
    width = max(map(len, [*rows, HEADING]))
    suffixes = CODE + DECLARATIONS
    header = [HEADING.ljust(width), *(f"{suffix:>6}" for suffix in suffixes), "code".rjust(7)]
    lines = ["".join(header)]
    for name, counted in rows.items():
        code = sum(counted[suffix] for suffix in CODE)
        cells = [name.ljust(width), *(f"{counted[suffix]:>6}" for suffix in suffixes), f"{code:>7}"]
        lines.append("".join(cells))
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    package = Path(arguments[0]) if arguments else PACKAGE
    print(table(count_packages(package)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
