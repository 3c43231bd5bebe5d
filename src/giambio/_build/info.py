"""`build_info`: which build runs, where, and with what; for bug reports.

It asks what lies above this room, so that is imported when it is called.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from giambio._build import selection

if TYPE_CHECKING:
    from giambio.files.file_routes import FileRoute

__all__ = ["BuildInfo", "build_info"]


class BuildInfo:
    """The program's environment: giambio's version and build, its driver, Python, the platform.

    `build_info` returns one. `str(info)` is one line, fit for a bug report.

    Attributes:
        version: giambio's version.
        build: "compiled" or "pure".
        reason: why the build is pure; "" when it is compiled.
        driver: the driver of the running loop, or the one that a loop would get.
        python: the kind and version of Python.
        platform: `sys.platform`.
        threads: the names of giambio's worker threads which are alive.
        files: a `FileRoute` for each way to the data of files: whether it can be used
            here, and how often it was until you ask for this.

    Example:
        >>> import giambio
        >>> print(giambio.build_info())  # doctest: +SKIP
        giambio 0.1.0, compiled, epoll driver, CPython 3.11.7, linux
    """

    __slots__ = ("version", "build", "reason", "driver", "python", "platform", "threads")

    version: str
    build: str
    reason: str
    driver: str
    python: str
    platform: str
    threads: tuple[str, ...]

    def __init__(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def files(self) -> tuple[FileRoute, ...]:
        """The ways to the data of files.

        Example:
            >>> import giambio
            >>> [route.name for route in giambio.build_info().files]
            ['page cache', 'io_uring', 'worker threads']
        """
        # Only now, because it asks the system for its abilities.
        from giambio.files.file_routes import routes

        return routes()

    # The words are those of CPython's own read-only, final, unpicklable objects.

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"'BuildInfo' object attribute {name!r} is read-only")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"'BuildInfo' object attribute {name!r} is read-only")

    def __init_subclass__(cls) -> None:
        raise TypeError("type 'giambio.BuildInfo' is not an acceptable base type")

    def __reduce__(self) -> str:
        raise TypeError("cannot pickle 'BuildInfo' object")

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"BuildInfo({fields})"

    def __str__(self) -> str:
        build = f"{self.build}: {self.reason}" if self.reason else self.build
        return (
            f"giambio {self.version}, {build}, {self.driver} driver, {self.python}, {self.platform}"
        )


def build_info() -> BuildInfo:
    """Return which build of giambio runs, with which driver, on which Python.

    Returns:
        A `BuildInfo`; printing it gives one line.

    Example:
        >>> import giambio
        >>> giambio.build_info().build in ("compiled", "pure")
        True
    """
    import platform  # slow to import, and few ask

    from giambio import drivers

    # Looked up, because a module that was not imported runs no loop.
    current = sys.modules.get("giambio.kernel.current")
    kernel = None if current is None else current.get()
    driver = None if kernel is None else kernel._driver
    names = [thread.name for thread in threading.enumerate()]
    return BuildInfo(
        version=selection.VERSION,
        build="pure" if selection.is_pure() else "compiled",
        reason=selection._reason,
        driver=drivers.default_name() if driver is None else driver.name,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        platform=sys.platform,
        threads=tuple(name for name in names if name.startswith("giambio-")),
    )
