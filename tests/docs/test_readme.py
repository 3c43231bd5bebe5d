"""README.md and docs/*.md: what they show runs, and what they link to exists.

Each Python block has a line before it that says how it is tested:

    <!-- run: a program -->         it runs; a ```text block after it is what it prints
    <!-- run: a program with NAME -->   the same, where that package is installed
    <!-- run: the echo server -->   it serves, also after a client has reset
    <!-- run: a service of workers -->   see test_serving.py
    <!-- run: the seed -->          it is the seed's program (test_seed.py runs that)
    <!-- run: part of the seed -->  each of its lines stands in the seed's program
    <!-- run: a test file -->       its tests pass, with giambio's pytest plugin; a setting of
                                    pytest's may follow: a test file, giambio_mode = auto
    <!-- run: a test file for AnyIO's plugin -->   the same, with AnyIO's plugin as well
    <!-- run: the file NAME -->    programs further down import it
    <!-- run: a change of NAME --> a function that replaces the one in that file
    <!-- run: a program beside these files -->   it runs with them, as they stand there
"""

from __future__ import annotations

import ast
import os
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

import giambio

CHECKOUT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    CHECKOUT / "README.md",
    CHECKOUT / "CHANGELOG.md",
    *sorted(CHECKOUT.glob("docs/*.md")),
]
#: Their blocks are not marked in this way; see test_contributing.py.
FOR_CONTRIBUTORS = [
    *(CHECKOUT / name for name in ("CONTRIBUTING.md", "SECURITY.md")),
    *sorted(CHECKOUT.glob("changelog.d/*.md")),
]
FOR_ANYIO = "a test file for AnyIO's plugin"
TEST_FILES = ("a test file", "a test file, giambio_mode = auto", FOR_ANYIO)
OF_A_FILE = THE_FILE, A_CHANGE = ("the file ", "a change of ")
BESIDE_FILES = "a program beside these files"
SECONDS = 30
PORT = 8080

DEMO_COMMAND = (
    "python3 -m venv .venv && .venv/bin/python -m pip install . && .venv/bin/python -m giambio demo"
)
TEST_COMMAND = (
    "python3 -m venv .venv && .venv/bin/python -m pip install '.[test]' "
    "&& .venv/bin/python -m pytest"
)

SEED = """\
import giambio
import socket


loop = giambio.EventLoop()
addrs = ["example.com", "some-domain.tld", "other-site.net"]

async def io_bound_task():
    res = []
    for addr in addrs:
        sock = loop.wrap_socket(socket.socket())  # This returns a new AsyncSocket object
        await sock.connect(addr)
        res.append(await sock.receive(1024))  # Get some data and append it to a list
    return res

async def main():
    async with giambio.TaskManager(loop) as manager:   # This is the only way to spawn tasks in giambio
        task = await manager.spawn(io_bound_task())
        task2 = await manager.spawn(io_bound_task())  # Task object
        # These two will execute concurrently!

loop.start(main)  # Note the absence of parentheses
"""  # noqa: E501


class Block(NamedTuple):
    """A fenced block of a document."""

    document: str
    number: int
    kind: str  # what the comment before it says, "" without one
    language: str
    code: str
    output: str | None  # of the text block that follows at once

    def __str__(self) -> str:
        return f"{self.document}-{self.number}"


FENCED = re.compile(
    r"(?:^<!-- run: (?P<kind>[^\n]*) -->\n)?"
    r"^```(?P<language>\w*)\n(?P<code>.*?)^```$"
    r"(?:\n\n```text\n(?P<output>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)


def blocks_of(document: Path) -> list[Block]:
    """The fenced blocks of a document, in their order."""
    text = document.read_text(encoding="utf-8")
    return [
        Block(
            document.name,
            number,
            match["kind"] or "",
            match["language"],
            match["code"],
            match["output"],
        )
        for number, match in enumerate(FENCED.finditer(text), 1)
    ]


BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document)]


def marked(kind: str) -> list[Block]:
    """The blocks with this comment, whatever packages they need."""
    return [block for block in BLOCKS if block.kind.partition(" with ")[0] == kind]


def command(block: Block, folder: Path) -> list[str]:
    """The command line that runs a block, warnings being errors."""
    file = folder / "program.py"
    file.write_text(block.code, encoding="utf-8")
    return [sys.executable, "-W", "error", str(file)]


def files_before(program: Block) -> dict[str, str]:
    """The files that a document shows before a program, with their changes."""
    files: dict[str, str] = {}
    for block in BLOCKS:
        if block.document == program.document and block.number < program.number:
            if block.kind.startswith(THE_FILE):
                files[block.kind.removeprefix(THE_FILE)] = block.code
            elif block.kind.startswith(A_CHANGE):
                name = block.kind.removeprefix(A_CHANGE)
                files[name] = changed(files[name], block.code)
    return files


def changed(text: str, function: str) -> str:
    """Replace the function of the same name."""
    (name,) = re.findall(r"^ *(?:async )?def (\w+)", function, re.MULTILINE)
    (old,) = (
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
    )
    lines = text.splitlines(keepends=True)
    lines[old.lineno - 1 : old.end_lineno] = [function]
    return "".join(lines)


# -- the programs ---------------------------------------------------------------------


def test_every_python_block_says_how_it_is_tested() -> None:
    known = {
        "a program",
        "a service of workers",
        "the echo server",
        "the seed",
        "part of the seed",
        *TEST_FILES,
        BESIDE_FILES,
    }
    assert [str(block) for block in BLOCKS if block.language == "python" and block.kind == ""] == []
    kinds = [block.kind for block in BLOCKS if not block.kind.startswith(OF_A_FILE)]
    assert {kind.partition(" with ")[0] for kind in kinds} - {""} <= known
    assert {block.language for block in BLOCKS if block.kind} == {"python"}


PROGRAMS = marked("a program") + marked(BESIDE_FILES)


@pytest.mark.parametrize("block", PROGRAMS, ids=str)
def test_a_program_runs_and_prints_what_the_document_says(block: Block, tmp_path: Path) -> None:
    if block.kind == BESIDE_FILES:
        for name, text in files_before(block).items():
            (tmp_path / name).write_text(text, encoding="utf-8")
    if package := block.kind.partition(" with ")[2]:
        pytest.importorskip(package)
    done = subprocess.run(
        command(block, tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (block.output or "")


@pytest.mark.parametrize("kind", TEST_FILES)
def test_test_files_pass(kind: str, tmp_path: Path) -> None:
    """All of one kind at once, because pytest takes long to start."""
    blocks = marked(kind)
    for block in blocks:
        name = f"test_{block.document.removesuffix('.md')}_{block.number}.py"
        (tmp_path / name).write_text(block.code, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n" + kind.partition(", ")[2])
    plugin = ["-p", "giambio.pytest_plugin", "-p", "no:cacheprovider"]
    if kind == FOR_ANYIO:
        pytest.importorskip("anyio")
        plugin += ["-p", "anyio.pytest_plugin"]
    environment = os.environ | {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": str(Path(giambio.__file__).parent.parent),
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-W", "error", *plugin],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(blocks) == len(set(re.findall(r"test_\w+\.py", done.stdout)))


def test_the_seed_stands_in_the_readme_verbatim() -> None:
    assert [block.code for block in marked("the seed") if block.document == "README.md"] == [SEED]


@pytest.mark.parametrize("block", marked("the seed"), ids=str)
def test_the_seed_is_the_same_everywhere(block: Block) -> None:
    assert block.code == SEED


@pytest.mark.parametrize("block", marked("part of the seed"), ids=str)
def test_a_part_of_the_seed_stands_in_the_seed(block: Block) -> None:
    assert block.code in SEED


# -- the echo server --------------------------------------------------------------------


def echo_server() -> Block:
    """The one echo server of the README."""
    (block,) = (block for block in marked("the echo server") if block.document == "README.md")
    return block


def test_the_echo_server_has_at_most_fifteen_lines() -> None:
    lines = [line for line in echo_server().code.splitlines() if line.strip()]
    assert len(lines) <= 15


def test_the_echo_server_is_the_example() -> None:
    example = CHECKOUT / "examples" / "echo_server.py"
    assert echo_server().code == example.read_text(encoding="utf-8")


def test_the_echo_server_survives_a_client_that_resets(tmp_path: Path) -> None:
    block = echo_server()
    assert block.code.count(str(PORT)) == 1
    port = free_port()
    block = block._replace(code=block.code.replace(str(PORT), str(port)))
    with serving(command(block, tmp_path), port) as server:
        with socket.create_connection(("127.0.0.1", port), SECONDS) as bystander:
            assert echoed(bystander, b"before")
            with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
                assert echoed(client, b"hello")
                reset(client)
            assert echoed(bystander, b"after")
        with socket.create_connection(("127.0.0.1", port), SECONDS) as newcomer:
            assert echoed(newcomer, bytes(range(256)) * 1000)
            newcomer.shutdown(socket.SHUT_WR)
            assert newcomer.recv(1) == b""
        assert server.poll() is None


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def serving(arguments: list[str], port: int) -> Iterator[subprocess.Popen[str]]:
    """A server in a process of its own, once it takes connections."""
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as server:
        try:
            while True:
                assert server.poll() is None, server.communicate()[1]
                try:
                    socket.create_connection(("127.0.0.1", port), SECONDS).close()
                except ConnectionRefusedError:
                    continue
                break
            yield server
        finally:
            server.kill()
            assert server.communicate()[1] == ""


def echoed(sock: socket.socket, data: bytes) -> bool:
    """Send, and receive as much."""
    sock.sendall(data)
    received = b""
    while len(received) < len(data):
        received += sock.recv(65536)
    return received == data


def reset(sock: socket.socket) -> None:
    """Have the connection reset when the socket is closed."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


# -- the replicated store -------------------------------------------------------------------


def test_the_store_of_the_simulation_is_the_example_in_the_end() -> None:
    """Its names, which are the same in both; the example has a command line as well."""
    program = marked(BESIDE_FILES)[-1]
    example = CHECKOUT / "examples" / "replicated_store.py"
    ours = ast.parse(files_before(program)["store.py"]).body
    theirs = list(map(ast.dump, ast.parse(example.read_text(encoding="utf-8")).body))
    assert [ast.unparse(node) for node in ours if ast.dump(node) not in theirs] == []


# -- commands and links ------------------------------------------------------------------


def test_the_two_commands_are_one_line_each() -> None:
    shell = [block.code for block in blocks_of(CHECKOUT / "README.md") if block.language == "sh"]
    assert shell == [f"{DEMO_COMMAND}\n", f"{TEST_COMMAND}\n"]


def test_windows_has_the_same_two_commands() -> None:
    (windows,) = (block for block in BLOCKS if block.language == "bat")
    expected = [
        command.replace("python3 -m venv", "py -m venv")
        .replace(".venv/bin/python", r".venv\Scripts\python")
        .replace("'", "")
        for command in (DEMO_COMMAND, TEST_COMMAND)
    ]
    assert windows.code.splitlines() == expected


@pytest.mark.parametrize("document", DOCUMENTS + FOR_CONTRIBUTORS, ids=lambda path: path.name)
def test_links_lead_to_files_that_exist(document: Path) -> None:
    links = re.findall(r"\[[^\]]*\]\(([^)#]+)[^)]*\)", document.read_text(encoding="utf-8"))
    local = [link for link in links if not re.match(r"https?:", link)]
    assert [link for link in local if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS + FOR_CONTRIBUTORS, ids=lambda path: path.name)
def test_lines_are_no_longer_than_a_hundred_characters(document: Path) -> None:
    text = FENCED.sub("", document.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if not line.startswith("|")]  # tables cannot break
    assert [line for line in lines if len(line) > 100] == []
