"""The counters of all loops of a process, for `prometheus_client`.

Nothing is kept up to date: Prometheus's library asks when it is scraped, in whatever thread, and
the loops count anyway. See docs/inspecting.md.

Tested with the versions in `TESTED`.
"""

from __future__ import annotations

from collections.abc import Iterator

from giambio.inspect.series import SERIES
from giambio.integrations.loop_numbers import LoopNumbers

try:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.registry import Collector
except ModuleNotFoundError as exc:
    raise ModuleNotFoundError(
        "giambio.integrations.prometheus needs prometheus_client: "
        "python -m pip install 'giambio[prometheus]'",
        name=exc.name,
    ) from exc

__all__ = ["TESTED", "LoopCollector"]

TESTED = {"prometheus_client": "0.26.0"}


class LoopCollector(Collector):
    """Collects the counters of all loops that run in this process, as `giambio.metrics` does.

    A registry of `prometheus_client` takes one of them. The series are called as by ``python -m
    giambio metrics``: ``giambio_steps_total{loop="0"}``. The label is a number that the loop has
    while it runs. Scrapes may come at any time and in any thread, also while a loop is stuck.

    Example:
        >>> import giambio
        >>> from giambio.integrations.prometheus import LoopCollector
        >>> from prometheus_client import CollectorRegistry
        >>> registry = CollectorRegistry()  # most programs have prometheus_client.REGISTRY
        >>> registry.register(LoopCollector())
        >>> async def main():
        ...     return registry.get_sample_value("giambio_tasks", {"loop": "0"})
        >>> giambio.run(main)
        1
    """

    def __init__(self) -> None:
        self._loops = LoopNumbers()

    def collect(self) -> Iterator[Metric]:
        """Yield the series; the registry calls it."""
        seen = self._loops.look()
        for series in SERIES:
            family = CounterMetricFamily if series.is_counter else GaugeMetricFamily
            metric = family(f"giambio_{series.name}", series.help, labels=["loop"])
            for number, counters in seen:
                metric.add_metric([str(number)], getattr(counters, series.field))
            yield metric
