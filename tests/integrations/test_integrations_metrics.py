"""The counters of loops in prometheus_client and in OpenTelemetry's SDK."""

from __future__ import annotations

import doctest
import http.client
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import pytest

import giambio
from giambio.inspect.series import SERIES
from giambio.integrations.loop_numbers import LoopNumbers

Run = Callable[..., Any]


@contextmanager
def another_loop() -> Iterator[giambio.EventLoop]:
    """A loop that runs in another thread, in the block."""
    loop = giambio.EventLoop()
    event = giambio.Event()
    begun = threading.Event()

    async def wait() -> None:
        begun.set()
        await event.wait()

    thread = threading.Thread(target=loop.start, args=[wait])
    thread.start()
    try:
        begun.wait()
        yield loop
    finally:
        loop.call_soon_threadsafe(event.set)
        thread.join()
        loop.close()


def test_a_loop_keeps_its_number_and_leaves_it_to_another_one(run: Run) -> None:
    """Rule 26.15."""
    loops = LoopNumbers()

    async def main() -> None:
        assert [number for number, _ in loops.look()] == [0]
        with another_loop():
            assert [number for number, _ in loops.look()] == [0, 1]
        assert [number for number, _ in loops.look()] == [0]
        with another_loop():
            for _ in range(20):
                await giambio.checkpoint()
            first, second = loops.look()
            assert (first[0], second[0]) == (0, 1)
            assert first[1].steps > 20 > second[1].steps

    assert loops.look() == []
    run(main)
    assert loops.look() == []


# -- prometheus_client -----------------------------------------------------------------------------


def scrape(port: int) -> str:
    """GET the metrics, as a Prometheus server does."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def test_prometheus_scrapes_all_loops_by_http(run: Run) -> None:
    """Rule 26.15: also while one of them is stuck in a step."""
    client = pytest.importorskip("prometheus_client")
    parser = pytest.importorskip("prometheus_client.parser")
    from giambio.integrations.prometheus import LoopCollector

    registry = client.CollectorRegistry(auto_describe=True)
    registry.register(LoopCollector())
    server, thread = client.start_http_server(0, "127.0.0.1", registry)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(giambio.sleep_forever)
            scrape(server.server_port)  # this loop gets the first number
            before = giambio.metrics()
            with another_loop():
                text = scrape(server.server_port)  # it blocks the loop
            manager.cancel()
        found = {
            (sample.name, sample.labels["loop"]): (family.type, sample.value)
            for family in parser.text_string_to_metric_families(text)
            for sample in family.samples
        }
        assert set(found) == {(f"giambio_{one.name}", loop) for one in SERIES for loop in "01"}
        for one in SERIES:
            kind, value = found[f"giambio_{one.name}", "0"]
            assert kind == ("counter" if one.is_counter else "gauge")
            assert value >= getattr(before, one.field)
        assert found["giambio_tasks", "0"][1] == 2
        assert found["giambio_tasks", "1"][1] == 1

    try:
        run(main)
        assert "giambio_turns_total{" not in scrape(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_registry_takes_one_collector() -> None:
    """Rule 26.15: the library itself says that the series are there already."""
    client = pytest.importorskip("prometheus_client")
    from giambio.integrations.prometheus import LoopCollector

    registry = client.CollectorRegistry(auto_describe=True)
    registry.register(LoopCollector())
    with pytest.raises(ValueError, match=r"Duplicated timeseries.*giambio_turns"):
        registry.register(LoopCollector())


# -- OpenTelemetry ---------------------------------------------------------------------------------


def test_opentelemetry_observes_all_loops(run: Run) -> None:
    """Rule 26.15."""
    sdk = pytest.importorskip("opentelemetry.sdk.metrics")
    export = pytest.importorskip("opentelemetry.sdk.metrics.export")
    from giambio.integrations.opentelemetry import observe_loops

    reader = export.InMemoryMetricReader()
    provider = sdk.MeterProvider([reader])
    observe_loops(provider)

    async def main() -> None:
        reader.get_metrics_data()  # this loop gets the first number
        before = giambio.metrics()
        with another_loop():
            data = await giambio.to_thread(reader.get_metrics_data)
        (scope,) = data.resource_metrics[0].scope_metrics
        assert scope.scope.name == "giambio"
        found = {metric.name: metric for metric in scope.metrics}
        assert len(found) == len(SERIES)
        for one in SERIES:
            name = one.name.removesuffix("_total").removesuffix("_seconds")
            metric = found[f"giambio.{name}"]
            assert metric.unit == ("s" if "seconds" in one.name else "")
            assert metric.description == one.help
            points = {point.attributes["loop"]: point.value for point in metric.data.data_points}
            assert points.keys() == {0, 1}
            assert isinstance(metric.data, export.Sum if one.is_counter else export.Gauge)
            if one.is_counter:
                assert metric.data.is_monotonic
                assert points[0] >= getattr(before, one.field)
        assert [point.value for point in found["giambio.tasks"].data.data_points] == [1, 1]

    try:
        run(main)
        assert reader.get_metrics_data() is None  # no loop, and nothing else is observed
    finally:
        provider.shutdown()


@pytest.mark.parametrize(
    ("module", "library"),
    [("prometheus", "prometheus_client"), ("opentelemetry", "opentelemetry.sdk.metrics")],
)
def test_the_examples_of_the_docstrings_run(module: str, library: str) -> None:
    pytest.importorskip(library)
    outcome = doctest.testmod(import_module(f"giambio.integrations.{module}"))
    assert outcome.attempted > 0
    assert outcome.failed == 0


@pytest.mark.parametrize(
    ("module", "library", "extra"),
    [
        ("prometheus", "prometheus_client.core", "prometheus"),
        ("opentelemetry", "opentelemetry.metrics", "otel"),
    ],
)
def test_without_the_library_the_error_names_the_extra(
    module: str, library: str, extra: str
) -> None:
    """Rule 19.1."""
    code = (
        f"import sys; sys.modules[{library!r}] = None\n"
        f"try: import giambio.integrations.{module}\n"
        f"except ImportError as exc: print(exc)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"python -m pip install 'giambio[{extra}]'" in done.stdout
