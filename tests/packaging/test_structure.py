"""The house rules that can be read off the sources.

Which module may import which, what a compiled module may contain, and what
`import giambio` costs.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "giambio"

pytestmark = pytest.mark.skipif(
    not PACKAGE.exists(), reason="the sources are not here: an installed wheel is tested alone"
)

#: The rooms, from the ground up. A module belongs to the longest name that fits.
FLOORS = (
    ("giambio._build", "giambio.arguments", "giambio.errors"),
    ("giambio.drivers",),
    ("giambio.kernel",),
    ("giambio.tasks",),
    ("giambio.channels",),
    ("giambio.sync",),
    ("giambio.combinators", "giambio.pacing", "giambio.supervision", "giambio.threads"),
    ("giambio.streams",),
    ("giambio.net", "giambio.files", "giambio.processes", "giambio.signals"),
    ("giambio.inspect", "giambio.interpreters"),
    ("giambio.runtime",),
    ("giambio.monitor", "giambio.portal"),
    ("giambio.asyncio", "giambio.integrations", "giambio.testing"),
    ("giambio.cluster", "giambio.workers"),
    (
        "giambio",
        "giambio.__main__",
        "giambio.anyio",
        "giambio.demo",
        "giambio.pytest_plugin",
        "giambio.repl",
    ),
)

#: Imports inside of functions, which would otherwise point upwards or cost too
#: much: (module, what it imports): why.
LAZY = {
    ("giambio._build.info", "giambio.drivers"): "it lies above, and is asked about",
    ("giambio._build.info", "giambio.files.file_routes"): "the same, and few ask",
    ("giambio.drivers", "giambio.drivers.epoll"): "only where the system has it",
    ("giambio.drivers", "giambio.drivers.selectors"): "only when it is asked for",
    ("giambio.runtime.loop", "giambio.net.socket"): "a loop without sockets does not need it",
    (
        "giambio.net.serving",
        "giambio.net.tls.start_tls",
    ): "ssl costs, and not every server needs it",
    ("giambio.net.tcp", "giambio.net.tls.start_tls"): "ssl costs, and not every client needs it",
    ("giambio.integrations.dnspython", "giambio.net.tls.start_tls"): "the same",
    (
        "giambio.tasks.manager",
        "giambio.tasks.threadsafe",
    ): "concurrent.futures costs, and few need it",
    ("giambio.portal.blocking_portal", "giambio.tasks.threadsafe"): "the same",
    ("giambio.__main__", "giambio.demo.show"): "info works whatever may be wrong with the demo",
    ("giambio.__main__", "giambio.inspect.run_program"): "each command is loaded when it is given",
    ("giambio.__main__", "giambio.repl.start"): "the same",
    ("giambio.repl.start", "giambio.repl.console"): "the console costs, and a pipe has none",
    (
        "giambio.pytest_plugin",
        "giambio.tasks.manager",
    ): "pytest starts faster where giambio is not used",
    ("giambio.pytest_plugin", "giambio.testing.virtual_clock"): "the same",
    (
        "giambio.workers.serve_command",
        "giambio.workers.run_workers",
    ): "others are quick",
    ("giambio.cluster.manager", "giambio.cluster.dask_engine"): "Dask is an extra",
    ("giambio.cluster.manager", "giambio.cluster.remote"): "the same",
    ("giambio.workers.worker", "giambio.workers.asgi"): "uvicorn is an extra, for those who use it",
    ("giambio.pytest_plugin", "giambio.testing.runner"): "the same",
    ("giambio.pytest_plugin.simulations", "giambio.testing.seeds"): "the same",
    ("giambio.pytest_plugin.simulations", "giambio.testing.simulation.simulation"): "the same",
}


def module_name(path: Path) -> str:
    """The name under which a file is imported."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = (
    {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))} if PACKAGE.exists() else {}
)


def tree(name: str) -> ast.Module:
    """A module's syntax tree."""
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


def compiled_modules() -> list[str]:
    """The modules that are compiled: those with a `.pxd` or a `.pyx` beside them."""
    return [
        name
        for name, path in MODULES.items()
        if path.with_suffix(".pxd").exists() or path.with_suffix(".pyx").exists()
    ]


def floor(name: str) -> int:
    """On which floor a module lies."""
    while True:
        for number, rooms in enumerate(FLOORS):
            if name in rooms:
                return number
        name = name.rpartition(".")[0]


def imports(name: str) -> Iterator[tuple[str, bool]]:
    """What a module imports of giambio, and whether a function does it.

    What stands under ``if TYPE_CHECKING:`` is never imported, and left out.
    """
    nodes = tree(name)
    within: set[int] = set()
    for node in ast.walk(nodes):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            within.update(map(id, ast.walk(node)))
    for node in that_run(nodes):
        for imported in imported_by(node):
            yield imported, id(node) in within


def that_run(nodes: ast.AST) -> list[ast.AST]:
    """The nodes of a tree without those that are for type checkers only."""
    never: set[int] = set()
    for node in ast.walk(nodes):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            never.update(map(id, ast.walk(node)))
    return [node for node in ast.walk(nodes) if id(node) not in never]


def imported_by(node: ast.AST) -> list[str]:
    """The modules of giambio that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names if alias.name.split(".")[0] == "giambio"]
    if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "giambio":
        names = [f"{node.module}.{alias.name}" for alias in node.names]
        return [name if name in MODULES else node.module for name in names]
    return []


# -- who imports whom ----------------------------------------------------------------------


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_downwards(name: str) -> None:
    """Rule 21.1: an arrow may only point down."""
    upwards = [
        imported
        for imported, within in imports(name)
        if floor(imported) > floor(name)
        and not (within and (name, imported) in LAZY)
        # The face is asked for what everybody may ask: `from giambio import _build`.
        and not (imported == "giambio" and name != "giambio")
    ]
    assert upwards == []


def test_imports_inside_of_functions_are_listed_with_a_reason() -> None:
    """Rule 21.2: no import is hidden."""
    found = {(name, imported) for name in MODULES for imported, within in imports(name) if within}
    assert found == set(LAZY)


@pytest.mark.parametrize("name", MODULES)
def test_only_the_back_end_imports_anyio_and_nothing_imports_the_back_end(name: str) -> None:
    """Rule 21.3: the core imports neither AnyIO nor sniffio; it has no runtime dependency."""
    of_others = {
        imported.split(".")[0]
        for node in that_run(tree(name))
        for imported in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    } - {"giambio", *sys.stdlib_module_names}
    if name.startswith("giambio.anyio"):
        assert of_others <= {"anyio", "sniffio"}
    elif name.startswith("giambio.pytest_plugin"):
        assert of_others <= {"_pytest", "pytest"}
    elif name.startswith("giambio.cluster"):
        assert of_others <= {"cloudpickle", "distributed"}
    elif name == "giambio.workers.asgi":
        assert of_others == {"uvicorn"}
    elif name == "giambio.repl.console":
        assert of_others <= {"_pyrepl"}  # of the standard library, from Python 3.13 on
    else:
        assert of_others == set()
        assert not any(imported.startswith("giambio.anyio") for imported, _ in imports(name))


def test_there_is_no_import_circle() -> None:
    """Rule 21.2: no import circle."""
    arrows = {
        name: {imported for imported, within in imports(name) if not within} - {name}
        for name in MODULES
    }
    done: set[str] = set()
    while ready := [name for name in MODULES if name not in done and arrows[name] <= done]:
        done.update(ready)
    assert sorted(set(MODULES) - done) == []


# -- what a module contains -----------------------------------------------------------------


@pytest.mark.parametrize("name", MODULES)
def test_every_module_opens_with_a_docstring(name: str) -> None:
    """Rule 21.4: a module is named after its concept, and says what it is."""
    docstring = ast.get_docstring(tree(name))
    assert docstring
    assert docstring.splitlines()[0].endswith((".", ":", "?", ","))


@pytest.mark.parametrize("name", compiled_modules())
def test_a_compiled_module_has_no_coroutine(name: str) -> None:
    """Rule 20.5: a compiled module contains no `async def`."""
    forbidden = ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await
    found = [
        f"line {node.lineno}: {ast.unparse(node)[:60]}"
        for node in ast.walk(tree(name))
        if isinstance(node, forbidden)
        or (isinstance(node, ast.Attribute) and ast.unparse(node) == "types.coroutine")
        or (isinstance(node, ast.ImportFrom) and "coroutine" in {a.name for a in node.names})
    ]
    assert found == []
    native = MODULES[name].with_suffix(".pyx")
    if native.exists():
        assert not re.search(r"\basync def\b|\bawait \w|types\.coroutine", native.read_text())


def test_there_are_compiled_modules() -> None:
    """The tests above look at something."""
    assert {"giambio.kernel.kernel", "giambio.tasks.manager", "giambio.net.socket"} <= set(
        compiled_modules()
    )


@pytest.mark.parametrize("name", sorted(path.stem for path in PACKAGE.rglob("*.pyx")))
def test_a_native_module_has_a_python_twin_with_the_same_names(name: str) -> None:
    """Rule 20.6: each `.pyx` has a Python twin of the same interface."""
    (native,) = PACKAGE.rglob(f"{name}.pyx")
    twin = module_name(native.with_suffix(".py"))
    assert twin in MODULES
    assert public_names_of_native(native) == public_names_of_twin(twin)


def public_names_of_native(native: Path) -> set[str]:
    """What a `.pyx` defines for Python, and its `.pxd` for other compiled modules."""
    text = re.sub(r'""".*?"""', "", native.read_text(), flags=re.DOTALL)
    names = set(re.findall(r"^(?:cdef )?class (\w+)", text, flags=re.MULTILINE))
    names |= set(re.findall(r"^c?p?def\s(?!class)[^=\n(]*?(\w+)\(", text, flags=re.MULTILINE))
    names -= set(re.findall(r"^cdef\s(?!class)[^=\n(]*?(\w+)\(", text, flags=re.MULTILINE))
    declarations = native.with_suffix(".pxd")
    if declarations.exists():
        text = declarations.read_text()
        names |= set(re.findall(r"^c?p?def\s(?!class)[^=\n(]*?(\w+)\(", text, flags=re.MULTILINE))
        names |= set(re.findall(r"^cdef object (\w+)$", text, flags=re.MULTILINE))
        for block in re.findall(r"^cpdef enum:\n((?:[ \t].*\n|\n)*)", text, flags=re.MULTILINE):
            names |= set(re.findall(r"(\w+) =", block))
    return {found for found in names if not found.startswith("_")}


def public_names_of_twin(twin: str) -> set[str]:
    """What a module has in `__all__`, or else defines."""
    nodes = tree(twin)
    for node in nodes.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return set(names)
    return {
        node.target.id
        for node in nodes.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


# -- what it costs to import ------------------------------------------------------------------

HEAVY = ("asyncio", "concurrent.futures", "inspect", "logging", "ssl", "subprocess", "traceback")


def test_importing_giambio_imports_nothing_heavy() -> None:
    """Rule 18.8: it is faster than `import asyncio`."""
    code = "import sys, giambio; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert set(HEAVY) & set(ended.stdout.split()) == set()
