"""Decides, before anything else of giambio is imported, which build runs.

giambio's inner modules exist twice: as Python and, where a C compiler was at hand,
as extensions built from the same sources. `select` makes sure that one process
runs one kind only; `info` tells which, and why.

`setup.py` loads this file by its path, so that the version and the rule for the modules
that are compiled (`extension_sources`) stand in one place.
"""

from __future__ import annotations

import _thread
import importlib
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from functools import cache

VERSION = "0.1.0"

# The finding of `select`: why the Python modules run, or "" when the extensions do.
_reason = ""


def is_set(variable: str) -> bool:
    """Return whether an environment variable asks for something.

    Parameters:
        variable: the variable's name.

    Returns:
        True unless the variable is missing, empty or "0".

    Example:
        >>> from giambio._build.selection import is_set
        >>> is_set("GIAMBIO_UNHEARD_OF")
        False
    """
    return os.environ.get(variable, "") not in ("", "0")


def extension_sources(
    package: str, platforms: tuple[str, str] = (sys.platform, os.name)
) -> dict[str, str]:
    """Find the modules which are compiled on a platform.

    Every `.pxd` and every `.pyx` names an extension. It is built from the `.pyx` if
    there is one, else from the `.py`. A `.pyx` that says `# platform: linux` or
    `# platform: posix` among the comments at its top is compiled only there.

    Parameters:
        package: the path of the package's folder.
        platforms: what `sys.platform` and `os.name` are there; by default this one's.

    Returns:
        The full name of each such module with the path of its source, sorted.

    Raises:
        FileNotFoundError: an extension has no Python twin.

    Example:
        >>> from giambio._build.selection import extension_sources
        >>> extension_sources("src/giambio")  # doctest: +SKIP
        {'giambio.kernel.timers': 'src/giambio/kernel/timers.py'}
    """
    sources = {}
    for folder, _, files in os.walk(package):
        stems = {os.path.splitext(file)[0] for file in files if file.endswith((".pxd", ".pyx"))}
        for stem in stems:
            path = os.path.join(folder, stem)
            if stem + ".py" not in files:
                raise FileNotFoundError(
                    f"{path}.py is missing. Every extension needs a Python twin of the same "
                    "interface, which runs where giambio is installed without a C compiler."
                )
            name = os.path.relpath(path, os.path.dirname(package)).replace(os.sep, ".")
            if stem + ".pyx" not in files:
                sources[name] = path + ".py"
            elif _is_for(platforms, path + ".pyx"):
                sources[name] = path + ".pyx"
    return dict(sorted(sources.items()))


def _is_for(platforms: tuple[str, str], source: str) -> bool:
    with open(source, encoding="utf-8") as lines:
        for line in lines:
            if not line.startswith("#"):
                break
            key, _, value = line.lstrip("# ").partition(":")
            if key == "platform":
                return value.strip() in platforms
    return True


def select() -> None:
    """Choose the build that this process runs; `giambio/__init__.py` calls it first.

    The extensions run if they are there, the Python modules otherwise, or when the
    environment variable `GIAMBIO_PURE` asks for them, or in a subinterpreter. Never a mixture: the two kinds
    do not know each other's objects.

    Raises:
        ImportError: only some of the extensions are there, or (in a source tree) one
            is older than its source.

    Example:
        >>> from giambio._build import selection
        >>> selection.select()
    """
    global _reason
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sources: dict[str, str] = {}
    try:
        installed = importlib.import_module("giambio._build._built")
    except ModuleNotFoundError:  # setup.py writes it, but never into a source tree
        sources = extension_sources(package)
        names: tuple[str, ...] = tuple(sources)
        _reason = "a source tree in which no extension was built for this Python"
        fix = "rebuild with 'python setup.py build_ext --inplace' or 'pip install -e .'"
    else:
        names = installed.EXTENSIONS
        _reason = installed.REASON or "its extensions are missing or built for another Python"
        fix = "reinstall with 'python -m pip install --force-reinstall giambio'"

    found = {name: path for name in names if (path := _extension_file(package, name))}
    if not found:
        return
    if is_set("GIAMBIO_PURE"):
        _reason = "GIAMBIO_PURE is set"
    elif not in_main_interpreter():
        _reason = "the extensions work in the main interpreter only"
    else:
        _reason = ""
    if _reason:
        sys.meta_path.insert(0, _PythonTwins())
        return
    fix += ", or set GIAMBIO_PURE=1 to run the Python modules"
    for name in names:
        if name not in found:
            raise ImportError(
                f"giambio is compiled in part: there is no extension for {name}, though there "
                f"is one for {next(iter(found))}. Either all run or none: {fix}.",
                name=name,
            )
    for name, source in sources.items():
        _refuse_stale(found[name], source, fix)


def is_pure() -> bool:
    """Return whether this process runs the Python modules.

    Example:
        >>> import giambio
        >>> from giambio._build.selection import is_pure
        >>> is_pure() == (giambio.build_info().build == "pure")
        True
    """
    return bool(_reason)


@cache
def in_main_interpreter() -> bool:
    """Return whether this is the interpreter that the process has begun with.

    Others, such as those of mod_wsgi, have no signals; and an extension of Cython's can be loaded
    by one interpreter of a process only, so that the others run the Python modules.

    Example:
        >>> from giambio._build.selection import in_main_interpreter
        >>> in_main_interpreter()
        True
    """
    is_main = getattr(_thread, "_is_main_interpreter", None)
    if is_main is not None:
        return bool(is_main())
    try:
        interpreters = importlib.import_module("_xxsubinterpreters")  # all that Python 3.11 has
    except ImportError:
        return True
    return bool(interpreters.get_current() == interpreters.get_main())


def _extension_file(package: str, name: str) -> str:
    """Return the file which Python would load as the extension `name`, "" if none."""
    base = os.path.join(os.path.dirname(package), *name.split("."))
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        if os.path.exists(base + suffix):
            return base + suffix
    return ""


def _refuse_stale(extension: str, source: str, fix: str) -> None:
    for origin in (source, os.path.splitext(source)[0] + ".pxd"):
        if os.path.exists(origin) and os.path.getmtime(extension) < os.path.getmtime(origin):
            raise ImportError(
                f"{extension} is older than {origin}, from which it was compiled: {fix}.",
                path=extension,
            )


class _PythonTwins:
    """A finder which imports giambio's modules from their `.py` files only."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if path is None or not fullname.startswith("giambio."):
            return None
        loader = (importlib.machinery.SourceFileLoader, importlib.machinery.SOURCE_SUFFIXES)
        for folder in path:
            spec = importlib.machinery.FileFinder(folder, loader).find_spec(fullname)
            # A folder that is no package is found too, but without a loader.
            if spec is not None and spec.loader is not None:
                return spec
        return None
