"""docs/serving.md: its service, its units for systemd and its settings for nginx."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from giambio.__main__ import parser
from support.examples import EXAMPLES, SECONDS, connect, serving, until
from support.net import server_port
from support.services import program

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "serving.md"

pytestmark = pytest.mark.skipif(not DOCUMENT.exists(), reason="the documentation is not here")


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_service(tmp_path: Path) -> None:
    (code,) = blocks("python")
    (tmp_path / "shown.py").write_text(code)
    path = str(tmp_path / "socket")
    command = ("-m", "giambio", "serve", "shown:main", "--workers", "2", "--bind", f"unix://{path}")
    with program(tmp_path, path, *command) as service:
        service.wait_for("giambio.workers: serving")
        with service.connect() as client:
            client.sendall(b"hello")
            assert client.recv(100) == b"hello"
        service.signal(signal.SIGTERM)
        assert service.end() == 0


def units() -> dict[str, str]:
    """The units for systemd, by their names."""
    return {unit.splitlines()[0].rpartition("/")[2]: unit for unit in blocks("ini")}


def test_the_units_can_be_parsed_and_their_command_is_one_of_ours() -> None:
    parsed = {}
    for name, text in units().items():
        parsed[name] = configparser.ConfigParser(interpolation=None)
        parsed[name].optionxform = str  # type: ignore[assignment,method-assign]
        parsed[name].read_string(text)
    assert list(parsed) == ["app.service", "app.socket"]
    command = shlex.split(parsed["app.service"]["Service"]["ExecStart"])
    assert command[1:3] == ["-m", "giambio"]
    options = parser().parse_args(command[3:])
    assert (options.command, options.target) == ("serve", "app:app")
    assert parsed["app.socket"]["Socket"]["ListenStream"] == "/run/app.sock"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    for name, text in units().items():
        text = text.replace("/srv/app/.venv/bin/python", sys.executable)
        (tmp_path / name).write_text(text)
    ended = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in units())],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    complaints = [line for line in ended.stderr.splitlines() if str(tmp_path) in line]
    assert complaints == []


APPLICATION = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    body = f"{scope['scheme']} {scope['client'][0]}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
"""


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not here")
def test_nginx_passes_requests_on(tmp_path: Path) -> None:
    pytest.importorskip("uvicorn")
    (tmp_path / "application.py").write_text(APPLICATION)
    port = server_port()
    path = str(tmp_path / "socket")
    (settings,) = blocks("nginx")
    settings = settings.replace("/run/app/app.sock", path)
    settings = settings.replace("listen 80;", f"listen 127.0.0.1:{port};")
    temporary = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"user root;\ndaemon off;\npid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}{settings}}}\n"
    )
    command = ("-m", "giambio", "serve", "application:app", "--workers", "1")
    with program(tmp_path, path, *command, "--bind", f"unix://{path}", trust="*") as service:
        service.wait_for("giambio.workers: serving")
        with subprocess.Popen(["nginx", "-c", str(tmp_path / "nginx.conf")]) as nginx:
            try:
                while True:
                    assert nginx.poll() is None
                    try:
                        client = connect(port)
                    except ConnectionRefusedError:
                        continue
                    break
                with client:
                    request = b"GET / HTTP/1.0\r\nHost: app\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
                    client.sendall(request)
                    answer = b""
                    while data := client.recv(1000):
                        answer += data
                    assert answer.endswith(b"\r\n\r\nhttp 192.0.2.1")
            finally:
                nginx.terminate()


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not here")
def test_words_are_counted_on_a_cluster(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    for number in range(5):
        (tmp_path / str(number)).write_text("to be, or not to be\n" * number)
    ended = subprocess.run(
        [sys.executable, str(EXAMPLES / "word_count.py"), *map(str, tmp_path.iterdir())],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == ["20", "be", "20", "to", "10", "not", "10", "or"]


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not here")
def test_the_example() -> None:
    with serving("workers.py", "--workers", "2") as (process, port):
        with connect(port) as client:
            for _ in range(3):
                client.sendall(b"?\n")
                assert until(client, b"\n").startswith(b"worker ")
        process.terminate()
        assert process.wait(SECONDS) == 0
