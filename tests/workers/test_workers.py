"""`run_workers` and `python -m giambio serve`: real processes, on good days and on bad ones."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import giambio
from support.net import server_port
from support.services import Service, is_gone, program, serving, until

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")


def serve(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """`python -m giambio serve` that ends by itself."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "giambio", "serve", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


# -- serving -----------------------------------------------------------------------------


def test_workers_serve_one_listener_until_sigterm(tmp_path: Path) -> None:
    """Rules 29.1, 29.2, 29.6."""
    with serving(tmp_path, "--workers", "2") as service:
        assert len(service.started()) == 2
        assert service.children() == service.started()
        assert service.ask() in service.started()
        service.signal(signal.SIGTERM)
        assert service.end() == 0
    assert "stopping, because of SIGTERM" in "".join(service.lines)


def test_a_request_that_has_begun_is_finished(tmp_path: Path) -> None:
    """Rule 29.6: a stop is a soft one in each worker."""
    with serving(tmp_path, "--workers", "1") as service, service.connect() as client:
        client.sendall(b"?")
        assert client.recv(100)
        client.sendall(b"slow")
        service.signal(signal.SIGTERM)
        assert client.recv(100)
        client.shutdown(socket.SHUT_WR)
        assert service.end() == 0


def test_ctrl_c_of_a_terminal_reaches_all_and_the_parent_decides(tmp_path: Path) -> None:
    """Rule 29.6."""
    with serving(tmp_path, "--workers", "2", session=True) as service, service.connect() as client:
        client.sendall(b"?")
        assert client.recv(100)
        client.sendall(b"slow")
        os.killpg(service.process.pid, signal.SIGINT)
        assert client.recv(100)
        client.close()
        assert service.end() == 0
    assert "Traceback" not in "".join(service.lines)


def test_a_sigterm_for_all_processes_at_once(tmp_path: Path) -> None:
    """Rule 29.6: as systemd sends it, if it is not told otherwise."""
    with serving(tmp_path, "--workers", "4", session=True) as service:
        os.killpg(service.process.pid, signal.SIGTERM)
        assert service.end() == 0


def test_a_unix_listener(tmp_path: Path) -> None:
    """Rule 29.1."""
    path = str(tmp_path / "socket")
    command = ("-m", "giambio", "serve", "app:main", "--workers", "2", "--bind", f"unix://{path}")
    with program(tmp_path, path, *command) as service:
        service.wait_for("serving")
        service.ask()
        service.signal(signal.SIGHUP)
        service.wait_for("reloaded")
        service.ask()
        service.signal(signal.SIGTERM)
        assert service.end() == 0
    assert not os.path.exists(path)


def test_each_worker_has_its_own_listener_with_reuse_port(tmp_path: Path) -> None:
    """Rule 29.1."""
    with serving(tmp_path, "--workers", "2", "--reuse-port") as service:
        answers: set[int] = set()
        until(lambda: answers.add(service.ask()) or len(answers) == 2, "one gets all")
        assert answers == service.started()
        service.signal(signal.SIGHUP)
        service.wait_for("reloaded")
        assert service.ask() in service.started() - answers


def test_workers_without_a_listener_are_ready_when_they_run(tmp_path: Path) -> None:
    """Rule 29.2."""
    code = "import giambio; giambio.run_workers('app:idle', workers=2)"
    with program(tmp_path, None, "-c", code) as service:
        until(lambda: len(service.started()) == 2, "they do not start")
        service.signal(signal.SIGTERM)
        assert service.end() == 0


def test_programs_of_a_worker_ignore_no_signal(tmp_path: Path) -> None:
    """Rule 29.6: that Ctrl-C is the parent's affair is not passed on to them."""
    (tmp_path / "starts.py").write_text(
        "import pathlib, signal, giambio\n"
        "async def main():\n"
        "    for number in signal.SIGINT, signal.SIGHUP:\n"
        "        async with giambio.open_process(['sleep', '60']) as process:\n"
        "            process.send_signal(number)\n"
        "            code = await process.wait()\n"
        "        pathlib.Path(f'ended-{-code}').touch()\n"
        "    await giambio.wait_stopping()\n"
    )
    code = "import giambio; giambio.run_workers('starts:main', workers=1)"
    with program(tmp_path, None, "-c", code) as service:
        until((tmp_path / f"ended-{int(signal.SIGHUP)}").exists, "SIGHUP is ignored")
        assert (tmp_path / f"ended-{int(signal.SIGINT)}").exists()
        service.signal(signal.SIGTERM)
        assert service.end() == 0


def test_a_changed_source_file_is_a_reload(tmp_path: Path) -> None:
    """Rule 29.11: without a failed request, and what is broken changes nothing."""
    pytest.importorskip("watchfiles")
    source = tmp_path / "version.py"

    def change(text: str, log: str) -> str:
        """Write the file until a line is logged: watching begins at a time of its own."""
        lines: list[str] = []
        waiting = threading.Thread(target=lambda: lines.append(service.wait_for(log)))
        waiting.start()
        while waiting.is_alive():
            source.write_text(text)
            waiting.join(1)
        return lines[0]

    source.write_text("")
    (tmp_path / "versioned.py").write_text("import version\nfrom app import main\n")
    options = ("--workers", "1", "--reload")
    with serving(tmp_path, *options, target="versioned:main") as service:
        (first,) = service.started()
        assert service.ask() == first
        assert "version.py" in change("number = 2", "changed: ")
        answers = set()
        until(lambda: answers.add(service.ask()) or answers - {first}, "it is not reloaded")
        service.wait_for("giambio.workers: reloaded")
        change("syntax error", "the reload has failed, and nothing has changed")
        assert service.ask() in service.started() - {first}
        (tmp_path / "notes.txt").write_text("no source")
        service.signal(signal.SIGTERM)
        assert service.end() == 0
    assert not any("notes.txt" in line for line in service.lines)


def test_reload_without_watchfiles_says_what_to_install(tmp_path: Path) -> None:
    """Rule 29.11: before anything is started."""
    (tmp_path / "watchfiles.py").write_text("raise ModuleNotFoundError(name='watchfiles')")
    ended = serve("app:main", "--reload", "--bind", "127.0.0.1:0", folder=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.startswith(
        "python -m giambio serve: to reload at a change needs watchfiles"
    )
    assert "python -m pip install 'giambio[reload]'" in ended.stderr


# -- bad days ----------------------------------------------------------------------------


async def under_load(service: Service, reloads: int) -> tuple[int, set[int]]:
    """Reload while eight clients ask without a pause: how often they did, and who answered."""
    answers: list[int] = []
    over = False

    async def client() -> None:
        while not over:
            async with giambio.connect_tcp(*service.address) as stream:  # type: ignore[misc]
                await stream.send_all(b"?")
                answers.append(int(await stream.receive()))

    async with giambio.TaskManager() as manager:
        for _ in range(8):
            manager.start_soon(client)
        for _ in range(reloads):
            service.signal(signal.SIGHUP)
            await giambio.to_thread(service.wait_for, "reloaded")
        over = True
    return len(answers), set(answers)


def test_a_reload_under_load_fails_no_request(tmp_path: Path) -> None:
    """Rule 29.4."""
    with serving(tmp_path, "--workers", "2") as service:
        first = service.started()
        requests, answered = giambio.run(under_load, service, 2)
        assert requests >= 8
        assert answered & first
        assert answered - first
        assert len(service.started()) == 6
        assert service.children() == {pid for pid in service.started() if not is_gone(pid)}


def test_a_generation_that_crashes_at_start_leaves_the_old_one_serving(tmp_path: Path) -> None:
    """Rule 29.4."""
    with serving(tmp_path, "--workers", "2") as service:
        first = service.started()
        service.kind("crashes")
        service.signal(signal.SIGHUP)
        line = service.wait_for("the reload has failed, and nothing has changed")
        assert "ended with exit code 1 before it was ready" in line
        assert "RuntimeError: this version is broken" in service.lines
        assert service.ask() in first
        until(lambda: service.children() == first, "a worker of the failed generation is left")
        service.kind("")
        service.signal(signal.SIGHUP)
        service.wait_for("reloaded")
        assert service.ask() not in first


def test_a_worker_that_is_not_ready_in_time(tmp_path: Path) -> None:
    """Rule 29.3."""
    (tmp_path / "kind").write_text("never ready")
    code = """if True:
        import giambio
        listeners = ["tcp://127.0.0.1:0"]
        try:
            giambio.run_workers("app:main", listeners=listeners, ready_timeout=1, grace=0)
        except giambio.BrokenWorkerProcess as exc:
            import sys
            print(exc, file=sys.stderr)
    """
    with program(tmp_path, None, "-c", code) as service:
        assert "was not ready within 1 s" in service.wait_for("worker process")
        assert service.end() == 0


def test_sigterm_during_a_reload(tmp_path: Path) -> None:
    """Rule 29.6: both generations end."""
    with serving(tmp_path, "--workers", "2", "--grace", "0.5") as service:
        first = service.started()
        service.kind("never ready")
        service.signal(signal.SIGHUP)
        until(lambda: len(service.started()) == 4, "the new generation does not start")
        service.signal(signal.SIGTERM)
        assert service.end() == 0
        assert all(is_gone(pid) for pid in service.started())
        assert service.started() > first


def test_a_worker_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """Rule 29.6."""
    (tmp_path / "kind").write_text("ignores SIGTERM")
    code = """if True:
        import giambio, logging
        from giambio.workers import worker_process
        logging.basicConfig(level="INFO")
        worker_process.LAST_SECONDS = 0.1
        listeners = ["tcp://127.0.0.1:0"]
        giambio.run_workers("app:main", listeners=listeners, workers=1, grace=0.1)
    """
    with program(tmp_path, None, "-c", code) as service:
        service.wait_for("serving")
        service.signal(signal.SIGTERM)
        assert service.end() == 0


def test_a_second_sigterm_kills_the_workers(tmp_path: Path) -> None:
    """Rule 29.6."""
    (tmp_path / "kind").write_text("ignores SIGTERM")
    with serving(tmp_path, "--workers", "2", "--grace", "inf") as service:
        service.signal(signal.SIGTERM)
        service.wait_for("stopping, because of SIGTERM")
        service.signal(signal.SIGTERM)
        service.wait_for("killing the workers")
        assert service.end() == 0


def test_a_port_in_use(tmp_path: Path) -> None:
    """Rule 29.3."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = serve("app:main", "--bind", f"127.0.0.1:{port}", folder=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr == (
        f"python -m giambio serve: [Errno 98] Address already in use: ('127.0.0.1', {port})\n"
    )


def test_a_worker_that_crashes_at_the_first_start(tmp_path: Path) -> None:
    """Rule 29.3: all is over at once, and says why."""
    port = server_port()
    (tmp_path / "app.py").write_text("raise RuntimeError('broken')")
    ended = serve("app:main", "--workers", "2", "--bind", f"127.0.0.1:{port}", folder=tmp_path)
    assert ended.returncode == 1
    assert "RuntimeError: broken" in ended.stderr
    assert "ended with exit code 1 before it was ready" in ended.stderr.splitlines()[-1]


def test_reloads_leave_no_descriptor_and_no_process(tmp_path: Path) -> None:
    """Rule 29.4."""
    with serving(tmp_path, "--workers", "1") as service:
        before = service.descriptors()
        for _ in range(4):
            service.signal(signal.SIGHUP)
            service.wait_for("reloaded")
        assert service.descriptors() == before
        assert len(service.children()) == 1
        assert len(service.started()) == 5


def test_a_worker_that_is_killed_while_idle_is_replaced(tmp_path: Path) -> None:
    """Rule 29.5."""
    with serving(tmp_path, "--workers", "1") as service:
        (pid,) = service.started()
        os.kill(pid, signal.SIGKILL)
        service.wait_for(f"worker process {pid} was killed by SIGKILL; the next one starts in")
        assert service.ask() != pid  # it waits in the queue of the listener


def test_a_worker_that_is_killed_while_it_serves_breaks_its_own_connections(
    tmp_path: Path,
) -> None:
    """Rule 29.5."""
    with serving(tmp_path, "--workers", "2") as service:
        of: dict[int, socket.socket] = {}

        def connect() -> bool:
            client = service.connect()
            client.sendall(b"?")
            pid = int(client.recv(100))
            if pid in of:
                client.close()
            else:
                of[pid] = client
            return len(of) == 2

        until(connect, "one gets all")
        killed, other = of
        os.kill(killed, signal.SIGKILL)
        service.wait_for(f"worker process {killed} was killed by SIGKILL")
        assert of[killed].recv(100) == b""
        of[other].sendall(b"?")
        assert int(of[other].recv(100)) == other
        service.wait_for("is ready")
        for client in of.values():
            client.close()


def test_workers_that_end_too_often_end_the_service(tmp_path: Path) -> None:
    """Rule 29.5."""
    (tmp_path / "once.py").write_text(
        "import giambio\n"
        "async def main():\n"
        "    with giambio.move_on_after(0):\n"
        "        await giambio.serve_listeners(print, giambio.inherited_listeners())\n"
    )
    code = """if True:
        import giambio
        from giambio.workers import parent
        parent.PERIOD = 60.0  # where five seconds are too short for four starts
        giambio.run_workers("once:main", listeners=["tcp://127.0.0.1:0"], workers=1)
    """
    with program(tmp_path, None, "-c", code) as service:
        service.wait_for("RestartLimitExceeded: a worker has failed")
        assert service.end() == 1
    assert "max_restarts allows 3 restarts within 60 seconds" in service.lines[-2]


def test_a_worker_whose_loop_does_not_turn_is_killed(tmp_path: Path) -> None:
    """Rule 29.7."""
    port = server_port()
    code = f"""if True:
        import giambio
        listeners = ["tcp://127.0.0.1:{port}"]
        giambio.run_workers("app:main", listeners=listeners, workers=1, heartbeat=1)
    """
    with program(tmp_path, ("127.0.0.1", port), "-c", code) as service:
        until(service.started, "it does not start")
        with service.connect() as client:
            client.sendall(b"?")
            first = int(client.recv(100))
            client.sendall(b"block")
            service.wait_for(f"worker process {first} gave no sign of life for 1 s")
            assert client.recv(100) == b""
        assert service.ask() != first


def test_a_parent_that_was_stopped_for_a_while_blames_no_worker(tmp_path: Path) -> None:
    """Rule 29.7: by Ctrl-Z, for instance. It was not there to see the signs of life."""
    code = """if True:
        import giambio, logging
        logging.basicConfig(level="INFO")
        giambio.run_workers("app:idle", workers=1, heartbeat=1.5)
    """
    with program(tmp_path, None, "-c", code) as service:
        service.wait_for("serving")
        service.signal(signal.SIGSTOP)
        time.sleep(1.6)
        service.signal(signal.SIGCONT)
        service.signal(signal.SIGHUP)
        service.wait_for("reloaded")
        assert "no sign of life" not in "".join(service.lines)
        service.signal(signal.SIGTERM)
        assert service.end() == 0


def test_workers_end_when_their_parent_has_gone(tmp_path: Path) -> None:
    """Rule 29.7."""
    with serving(tmp_path, "--workers", "2") as service:
        service.process.kill()
        for pid in service.started():
            until(lambda pid=pid: is_gone(pid), "it lives on")


# -- socket activation -------------------------------------------------------------------

LAUNCHER = """if True:
    import os, sys
    os.dup2(int(sys.argv[1]), 3)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="web")
    os.execv(sys.executable, [sys.executable, "-W", "error", *sys.argv[2:]])
"""


def activated(sock: socket.socket, folder: Path, *command: str) -> subprocess.Popen[str]:
    """Start a program as systemd does, with a socket as descriptor 3."""
    return subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(sock.fileno()), *command],
        cwd=folder,
        pass_fds=[sock.fileno()],
        stderr=subprocess.PIPE,
        text=True,
    )


ALONE = """if True:
    import os, signal, giambio
    async def handler(stream):
        await stream.send_all(b"%d" % os.getpid())
    async def main():
        listeners = giambio.inherited_listeners()
        assert "LISTEN_FDS" not in os.environ
        try:
            giambio.inherited_listeners()
        except RuntimeError as exc:
            assert "taken already" in str(exc)
        await giambio.serve_listeners(handler, listeners)
    giambio.run(main, stop_signals=[signal.SIGTERM])
"""


@pytest.mark.parametrize("alone", [True, False])
def test_listeners_of_systemd(tmp_path: Path, alone: bool) -> None:
    """Rule 29.8: in a program by itself, or by the parent of workers."""
    (tmp_path / "app.py").write_text(
        "import os, giambio\n"
        "async def handler(stream):\n"
        "    await stream.send_all(b'%d' % os.getpid())\n"
        "async def main():\n"
        "    await giambio.serve_listeners(handler, giambio.inherited_listeners())\n"
    )
    serve = ("-m", "giambio", "serve", "app:main", "--workers", "1")
    with socket.create_server(("127.0.0.1", 0)) as sock:
        command = ("-c", ALONE) if alone else serve
        with activated(sock, tmp_path, *command) as process:
            with socket.create_connection(sock.getsockname(), 30) as client:
                pid = int(client.recv(100))
            assert (pid == process.pid) == alone
            process.terminate()
            assert process.wait(30) == 0


def test_a_socket_of_systemd_that_does_not_listen(tmp_path: Path) -> None:
    """Rule 29.8."""
    with (
        socket.socket() as sock,
        activated(sock, tmp_path, "-c", ALONE) as process,
    ):
        printed = process.communicate(timeout=30)[1]
    assert "descriptor 3, handed over by systemd, is no listening stream socket" in printed


# -- mistakes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "options", "error", "message"),
    [
        ("app", {}, ValueError, "cannot import 'app': write \"module:name\""),
        (print, {}, TypeError, "needs the name of what workers import"),
        ("app:main", {"listeners": "tcp://127.0.0.1:1"}, TypeError, "needs a list of listeners"),
        ("app:main", {"listeners": ["http://x:1"]}, ValueError, "write tcp://127.0.0.1:8080"),
        ("app:main", {"listeners": ["tcp://host"]}, ValueError, "it has no port"),
        ("app:main", {"listeners": ["unix://"]}, ValueError, "it is empty"),
        ("app:main", {"listeners": [1]}, TypeError, "bad listener 1"),
        ("app:main", {"workers": 0}, ValueError, "from 1 up for workers"),
        ("app:main", {"grace": -1}, ValueError, "from 0 up for grace"),
        ("app:main", {"heartbeat": 0}, ValueError, "above 0 for heartbeat"),
        ("app:main", {"interface": "wsgi"}, ValueError, 'needs "auto", "main" or "asgi"'),
    ],
)
def test_mistakes(target: Any, options: Any, error: type[Exception], message: str) -> None:
    """Rule 29.9: errors of the call, before anything is started."""
    with pytest.raises(error, match=message):
        giambio.run_workers(target, **options)


def test_what_is_neither_a_main_nor_an_application(tmp_path: Path) -> None:
    """Rule 29.9."""
    (tmp_path / "app.py").write_text(
        "async def one(argument): ...\nasync def any(*arguments): ...\ndef plain(): return 3\n"
    )
    for name, message in {
        "one": "app:one should be an async function without parameters, or an ASGI application",
        "any": "say so: --interface main or --interface asgi",
        "plain": "app:plain should be an async function, but returned 3",
        "none": "module 'app' has no attribute 'none'",
    }.items():
        bind = ("--bind", "127.0.0.1:0", "--workers", "1")
        ended = serve(f"app:{name}", *bind, folder=tmp_path)
        assert ended.returncode == 1
        assert message in ended.stderr


def test_no_listeners_were_handed_over() -> None:
    """Rule 29.9."""

    async def main() -> None:
        giambio.inherited_listeners()

    with pytest.raises(RuntimeError, match="no listeners were handed over to this process; start"):
        giambio.run(main)
