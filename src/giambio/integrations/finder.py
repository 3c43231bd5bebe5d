"""The import hook for libraries that giambio works with.

AnyIO looks for its backend under a name inside its own package, and some libraries have to be
told that giambio exists. Importing giambio must import none of them. So it leaves one finder
with the import system, which knows the few names of `ALIASES` and `ADAPTERS` and passes over
all others: it costs one look into a dictionary for each module that is imported.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from giambio._build import selection

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["ADAPTERS", "ALIASES", "OFF", "adapt", "install"]

#: A module that does not exist, and the one to be found in its place.
ALIASES = {"anyio._backends._giambio": "giambio.anyio"}

#: A module, and its adapter: a module with the name that is replaced in it (`SPOT`), and the
#: function that makes the new object of the old one (`adapted`); see `adapt`.
SPEAKS_OUR_PROTOCOL = {"sniffio": "giambio.integrations.sniffio"}
ADAPTERS = {
    "asyncio": "giambio.asyncio.activation",
    "asgi_lifespan._concurrency": "giambio.integrations.asgi_lifespan",
    "dns.asyncbackend": "giambio.integrations.dnspython",
    "httpcore._synchronization": "giambio.integrations.httpcore",
    "httpcore2._synchronization": "giambio.integrations.httpcore",
    "httpx._transports.asgi": "giambio.integrations.httpx",
    "httpx2._transports.asgi": "giambio.integrations.httpx",
    "logging": "giambio.integrations.logging",
    "litestar.concurrency": "giambio.integrations.litestar",
    "openai.lib._vector_stores": "giambio.integrations.openai",
}

#: The environment variable that turns `ADAPTERS` off, but not `ALIASES` and sniffio.
OFF = "GIAMBIO_NO_ADAPTERS"


def install() -> None:
    """Leave the finder with the import system, and adapt modules that are loaded already."""
    if _finder in sys.meta_path:
        return
    # One of a giambio that was imported before and thrown away has had its time.
    left = [finder for finder in sys.meta_path if type(finder).__module__ != __name__]
    sys.meta_path[:] = [_finder, *left]
    for name in _finder.adapters:
        module = sys.modules.get(name)
        if module is not None:  # as it is where somebody forbids an import
            adapt(module, _imported(_finder.adapters[name]), False)


def adapt(module: ModuleType, adapter: Any, just_loaded: bool) -> None:
    """Replace an object in a module, and in those that have imported it by name.

    Parameters:
        module: the module of a library.
        adapter: see `ADAPTERS`.
        just_loaded: whether nobody has used the module yet.
    """
    old = getattr(module, adapter.SPOT, None)
    if old is None:
        return
    new = adapter.adapted(old, just_loaded)
    if new is old:  # the adapter has done what there was to do
        return
    package = module.__name__.partition(".")[0]
    for loaded, other in list(sys.modules.items()):
        owner = loaded.partition(".")[0]
        # Of a module just loaded, only its own package can have taken anything. giambio's
        # modules take the original on purpose.
        if owner == package or not (just_loaded or owner == "giambio"):
            for name, value in list(getattr(other, "__dict__", {}).items()):
                if value is old:  # perhaps imported `as` something else
                    setattr(other, name, new)


class _Finder:
    """Finds the modules of `ALIASES`, and has those of `ADAPTERS` adapted."""

    def __init__(self) -> None:
        self.adapters = SPEAKS_OUR_PROTOCOL | ({} if selection.is_set(OFF) else ADAPTERS)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Called by the import system, for each finder."""
        if name not in ALIASES and name not in self.adapters:
            return None
        others = (finder for finder in list(sys.meta_path) if finder is not self)
        asked = (one.find_spec(name, path, target) for one in others if hasattr(one, "find_spec"))
        spec = next(filter(None, asked), None)
        if spec is not None and name in self.adapters:
            loader: Any = _Adapting(spec.loader, self.adapters[name])
            spec.loader = loader
        if spec is None and name in ALIASES:
            from importlib.machinery import ModuleSpec

            alias: Any = _Alias()
            spec = ModuleSpec(name, alias)
        return spec


class _Alias:
    """Loads the other module, which then has both names."""

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to the import system, which throws that module away."""

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = _imported(ALIASES[module.__name__])


class _Adapting:
    """The loader of a module, with a call of the adapter at the end."""

    def __init__(self, loader: Any, adapter: str) -> None:
        self._loader = loader
        self._adapter = adapter

    def __getattr__(self, name: str) -> Any:  # `create_module` too
        return getattr(self._loader, name)

    def exec_module(self, module: ModuleType) -> None:
        # The module is to know its own loader, and nothing of this one.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        adapt(module, _imported(self._adapter), True)


def _imported(name: str) -> ModuleType:
    __import__(name)
    return sys.modules[name]


_finder: Any = _Finder()
