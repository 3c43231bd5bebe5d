"""giambio as a back end of AnyIO: ``anyio.run(main, backend="giambio")``.

AnyIO asks for the module ``anyio._backends._giambio``; `giambio.integrations` answers with this
package. It only adapts: where AnyIO's contract and giambio's agree, a call is passed on; where
they differ, AnyIO's holds here. Nothing in giambio imports it, so AnyIO is needed only where
a program uses it.
"""

try:
    import sniffio  # noqa: F401
except ModuleNotFoundError as exc:
    raise ModuleNotFoundError(
        "AnyIO asks sniffio which library runs, and without it knows asyncio only; "
        "install it: python -m pip install 'giambio[anyio]'",
        name=exc.name,
    ) from exc

from giambio.anyio.backend import GiambioBackend
from giambio.anyio.tasks import TaskGroup  # where AnyIO's own back ends have it, Asyncer looks

__all__ = ["TaskGroup", "backend_class"]

#: AnyIO looks for this name.
backend_class = GiambioBackend
