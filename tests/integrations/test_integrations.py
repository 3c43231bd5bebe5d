"""giambio among other libraries: the import hook, and the answer of sniffio."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import giambio
from support.programs import printed

sniffio = pytest.importorskip("sniffio")
SECONDS = 50

Run = Callable[..., Any]


def answer() -> str | None:
    """What sniffio says here."""
    try:
        name: str = sniffio.current_async_library()
    except sniffio.AsyncLibraryNotFoundError:
        return None
    return name


async def ask() -> str | None:
    return answer()


# -- sniffio -----------------------------------------------------------------------------------


def test_sniffio_says_giambio_in_tasks_and_callbacks_and_nothing_outside(run: Run) -> None:
    said: list[str | None] = []

    async def main() -> str | None:
        giambio.current_loop().call_soon(lambda: said.append(answer()))
        giambio.current_loop().call_soon_threadsafe(lambda: said.append(answer()))
        await giambio.checkpoint()
        await giambio.sleep(0)
        return answer()

    assert answer() is None
    assert run(main) == "giambio"
    assert said == ["giambio", "giambio"]
    assert answer() is None


def test_sniffio_says_nothing_in_worker_threads(run: Run) -> None:
    async def main() -> tuple[str | None, str | None]:
        return await giambio.to_thread(answer), answer()

    assert run(main) == (None, "giambio")


def test_sniffio_says_giambio_in_what_a_worker_thread_calls_back(run: Run) -> None:
    async def main() -> object:
        return await giambio.to_thread(lambda: (giambio.from_thread.run(ask), answer()))

    assert run(main) == ("giambio", None)


def test_after_a_failed_run_sniffio_says_nothing(run: Run) -> None:
    async def main() -> None:
        raise ValueError("as it happens")

    with pytest.raises(ValueError, match="as it happens"):
        run(main)
    assert answer() is None


def test_turn_by_turn_sniffio_says_giambio_only_during_the_turns(loop: giambio.EventLoop) -> None:
    said = []

    async def main() -> None:
        for _ in range(3):
            said.append(answer())
            await giambio.checkpoint()

    task = loop.begin(main)
    while not task.done():
        loop.turn()
        assert answer() is None
    loop.end()
    assert said == ["giambio"] * 3


def test_under_another_library_its_name_comes_back_after_each_turn(
    loop: giambio.EventLoop,
) -> None:
    import asyncio

    async def guest() -> list[str | None]:
        said = []
        task = loop.begin(ask)
        while not task.done():
            loop.driver_wait(min(0.01, loop.run_ready()))
            loop.deliver()
            said.append(answer())
        loop.end()
        assert task.result() == "giambio"
        return said

    assert set(asyncio.run(guest())) == {"asyncio"}

    trio = pytest.importorskip("trio")
    assert set(trio.run(guest)) == {"trio"}


@pytest.mark.filterwarnings("ignore:It looks like Trio's signal handling code might have collided")
def test_another_library_inside_a_task_says_its_own_name(run: Run) -> None:
    trio = pytest.importorskip("trio")

    async def main() -> tuple[str | None, str | None]:
        return trio.run(ask), answer()

    assert run(main) == ("trio", "giambio")
    assert answer() is None


LATE = """
    import sys, threading, giambio

    assert "sniffio" not in sys.modules and "anyio" not in sys.modules
    running, imported = threading.Event(), threading.Event()

    async def elsewhere():
        running.set()
        await giambio.to_thread(imported.wait)
        import sniffio
        print(sniffio.current_async_library(), sniffio.thread_local.name)

    async def main():
        import sniffio
        print(sniffio.current_async_library(), sniffio.thread_local.name)

    thread = threading.Thread(target=giambio.run, args=[elsewhere])
    thread.start()
    running.wait()
    giambio.run(main)
    imported.set()
    thread.join()
    import sniffio
    print(sniffio.thread_local.name, sniffio.__spec__.loader is sniffio.__loader__)
    print(type(sniffio.__loader__).__name__)
"""


def test_sniffio_may_be_imported_in_the_middle_of_runs_in_several_threads() -> None:
    said = ["giambio giambio", "giambio giambio", "None True", "SourceFileLoader"]
    assert printed(LATE) == said


# -- the finder ----------------------------------------------------------------------------------


def test_importing_giambio_imports_no_library() -> None:
    libraries = {"anyio", "sniffio", "httpcore", "httpx"}
    assert libraries.isdisjoint(printed("import sys, giambio; print(*sys.modules, sep='\\n')"))


def test_the_finder_is_there_once_however_often_giambio_is_imported() -> None:
    code = """
        import importlib, sys

        def finders():
            return [type(finder).__module__ for finder in sys.meta_path]

        import giambio
        print(finders().count("giambio.integrations.finder"))
        importlib.reload(giambio)
        print(finders().count("giambio.integrations.finder"))
        for name in [name for name in sys.modules if name.split(".")[0] == "giambio"]:
            del sys.modules[name]
        import giambio
        print(finders().count("giambio.integrations.finder"))
    """
    assert printed(code, GIAMBIO_PURE="1") == ["1", "1", "1"]


def library(folder: Path, name: str, **files: str) -> Path:
    """A package of some modules."""
    package = folder / name
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    for module, code in files.items():
        (package / f"{module}.py").write_text(textwrap.dedent(code))
    return folder


ALIAS = """
    import sys, giambio
    from giambio.integrations import finder
    finder.ALIASES["some_library.backend"] = "of_giambio"
    print("of_giambio" in sys.modules)
    try:
        import some_library.backend
    except ImportError as exc:
        print(repr(exc))
    else:
        import of_giambio
        print(some_library.backend is sys.modules["some_library.backend"] is of_giambio)
        print(of_giambio.__name__, of_giambio.__spec__.name)
"""


def test_a_module_that_does_not_exist_is_one_of_ours(tmp_path: Path) -> None:
    library(tmp_path, "some_library")
    (tmp_path / "of_giambio.py").touch()
    assert printed(ALIAS, tmp_path) == ["False", "True", "of_giambio of_giambio"]


def test_a_module_that_does_exist_is_the_library_s(tmp_path: Path) -> None:
    library(tmp_path, "some_library", backend="")
    (tmp_path / "of_giambio.py").touch()
    assert printed(ALIAS, tmp_path)[1] == "False"


def test_an_error_of_the_import_comes_out_of_it(tmp_path: Path) -> None:
    library(tmp_path, "some_library")
    (tmp_path / "of_giambio.py").write_text("raise ImportError('something else is missing')")
    assert printed(ALIAS, tmp_path) == ["False", "ImportError('something else is missing')"]


def test_anyio_finds_the_backend_by_itself() -> None:
    pytest.importorskip("anyio")
    code = """
        import sys, giambio

        async def main():
            import anyio
            await anyio.sleep(0.01)
            with anyio.move_on_after(0.01):
                await anyio.sleep_forever()
            print(sys.modules["anyio._backends._giambio"].__name__)

        giambio.run(main)
    """
    assert printed(code) == ["giambio.anyio"]
