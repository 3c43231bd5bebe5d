"""Makes sure that editors show docstrings and signatures: `python .ci/check_editors.py`.

A public name is looked up here as a user does it, by hovering over it. Two engines stand for
the editors: pyright's language server (VS Code, Neovim, Emacs), which reads stubs and the `.py`
files beside them, and jedi (Jupyter, Spyder, python-lsp-server), which imports what is compiled.
The giambio that is looked at is the one installed where this is run.

jedi runs no descriptor that it does not know, and it does not know Cython's functions. So of a
compiled class it shows the methods' signatures, which it has from the stubs, but no docstrings,
and nobody can change that but jedi: it is asked for those in the pure build. There, it shows the
setter of a property that can be set, and Python's docstrings stand at the getter.

The names, and the members of classes, are those of the tests of the docstrings.
"""

from __future__ import annotations

import inspect
import json
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jedi  # type: ignore[import-untyped]

import giambio

SETTABLE = ("CancelScope.deadline", "CancelScope.shield", "CapacityLimiter.total_tokens")

NAMES = Path(__file__).resolve().parent.parent / "tests" / "docs" / "test_docs.py"
SECONDS = 120


@dataclass
class Lookup:
    """A public name, and where the source to hover over has it."""

    name: str
    found: Any
    line: int
    column: int
    kind: type | None = None  # the class, for a name inside of one

    def is_compiled_method(self) -> bool:
        """Whether it is a method that jedi does not know how to read; see above."""
        return self.kind is not None and type(self.found).__name__.startswith("cython_function")

    def wanted(self) -> list[str]:
        """The texts that a look-up has to show."""
        first = inspect.cleandoc(self.found.__doc__).splitlines()[0].replace("`", "")
        return [first, *self.parameters()]

    def parameters(self) -> list[str]:
        """The names of a function's parameters."""
        if not inspect.isroutine(self.found):
            return []
        names = inspect.signature(self.found).parameters
        return [name for name in names if name != "self"]


def lookups(tests: dict[str, Any]) -> tuple[str, list[Lookup]]:
    """Write a source that names everything, and note where."""
    lines = ["import giambio", "import giambio.testing"]
    found = []
    for name in tests["DOCUMENTED"]:
        owner, _, last = name.rpartition(".")
        holder = tests["find"](owner) if owner and owner != "testing" else None
        if isinstance(holder, type) and owner != "from_thread":
            # Of an instance, as a user has it.
            lines.append(f"def _(it: giambio.{owner}): it.{last}")
        else:
            lines.append(f"giambio.{name}")
        column = len(lines[-1]) - 1
        found.append(Lookup(name, tests["find"](name), len(lines), column, holder))
    return "\n".join(lines) + "\n", found


class LanguageServer:
    """A language server as a child process, asked one thing after the other."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._numbers = iter(range(1, sys.maxsize))
        root = {"uri": folder.as_uri(), "name": folder.name}
        can = {"workspace": {"configuration": True, "workspaceFolders": True}}
        self.ask("initialize", processId=os.getpid(), workspaceFolders=[root], capabilities=can)
        self._send(method="initialized", params={})

    def open(self, file: Path, text: str) -> None:
        document = {"uri": file.as_uri(), "languageId": "python", "version": 1, "text": text}
        self._send(method="textDocument/didOpen", params={"textDocument": document})

    def hover(self, file: Path, line: int, column: int) -> str:
        answer = self.ask(
            "textDocument/hover",
            textDocument={"uri": file.as_uri()},
            position={"line": line - 1, "character": column},
        )
        return str(answer["contents"]["value"]) if answer else ""

    def close(self) -> None:
        self.ask("shutdown")
        self._send(method="exit")
        self._process.wait(SECONDS)

    def ask(self, method: str, **params: Any) -> Any:
        """Send a request, and wait for its answer; meanwhile the server may ask us."""
        number = next(self._numbers)
        self._send(id=number, method=method, params=params)
        while True:
            message = self._receive()
            if message.get("id") == number and "method" not in message:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            if "id" in message:  # settings, or leave to do something: there are none, and yes
                items = message.get("params", {}).get("items", [])
                self._send(id=message["id"], result=[self._settings(item) for item in items])

    def _settings(self, item: dict[str, Any]) -> Any:
        return {"pythonPath": sys.executable} if item.get("section") == "python" else {}

    def _send(self, **message: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout
        length = 0
        while header := self._process.stdout.readline().strip():
            name, _, value = header.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        if not length:
            raise RuntimeError("the language server has ended")
        message: dict[str, Any] = json.loads(self._process.stdout.read(length))
        return message


LookUp = Callable[[Lookup], str]


def by_pyright(source: str, folder: Path) -> LookUp:
    """Return a function that hovers over a name in pyright's language server."""
    file = folder / "names.py"
    langserver = Path(sys.executable).parent / "pyright-langserver"
    server = LanguageServer([str(langserver), "--stdio"], folder)
    server.open(file, source)
    return lambda name: server.hover(file, name.line, name.column)


def by_jedi(source: str, folder: Path, python_path: str = "") -> LookUp:
    """Return a function that asks jedi for help on a name."""
    lines = source.splitlines()
    variables = {"PYTHONPATH": python_path} if python_path else None
    environment = jedi.create_environment(sys.executable, safe=False, env_vars=variables)

    def look_up(name: Lookup) -> str:
        # A script of its own, because jedi gives up after some two hundred calls in one.
        code = "\n".join([*lines[:2], lines[name.line - 1]])
        script = jedi.Script(code, path=folder / "names.py", environment=environment)
        return "\n".join(each.docstring() for each in script.help(3, name.column))

    return look_up


def python_modules(folder: Path) -> str:
    """Copy giambio without its extensions, and return the path to import it from."""
    ignored = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__", "_built.py")
    shutil.copytree(Path(giambio.__file__).parent, folder / "pure" / "giambio", ignore=ignored)
    return str(folder / "pure")


def problems(names: list[Lookup], look_up: LookUp) -> Iterator[str]:
    """Tell for which names what is not shown."""
    for name in names:
        shown = look_up(name).replace("`", "")
        missing = [text for text in name.wanted() if text not in shown]
        if missing:
            yield f"{name.name}: {missing} is not in\n    " + shown.replace("\n", "\n    ")


def main() -> int:
    source, names = lookups(runpy.run_path(str(NAMES)))
    failed = 0
    with tempfile.TemporaryDirectory(prefix="giambio-editors-") as created:
        folder = Path(created)
        pure = [name for name in names if name.name not in SETTABLE]
        installed = [name for name in names if not name.is_compiled_method()]
        for title, asked, look_up in (
            ("pyright", names, by_pyright(source, folder)),
            ("jedi, pure build", pure, by_jedi(source, folder, python_modules(folder))),
            ("jedi, installed build", installed, by_jedi(source, folder)),
        ):
            found = list(problems(asked, look_up))
            print(f"== {title}: {len(asked)} names, {len(found)} problems", *found, sep="\n")
            failed += len(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
