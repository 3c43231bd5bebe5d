"""The counters of all loops of a process, as instruments of OpenTelemetry.

They are observable instruments: the SDK asks when it collects, in a thread of its own, and the
loops count anyway. Only OpenTelemetry's API is needed; without an SDK nobody asks. See
docs/inspecting.md.

Tested with the versions in `TESTED`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from giambio._build.selection import VERSION
from giambio.inspect.series import SERIES
from giambio.integrations.loop_numbers import LoopNumbers

try:
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation, get_meter
except ModuleNotFoundError as exc:
    raise ModuleNotFoundError(
        "giambio.integrations.opentelemetry needs opentelemetry-api: "
        "python -m pip install 'giambio[otel]'",
        name=exc.name,
    ) from exc

__all__ = ["TESTED", "observe_loops"]

TESTED = {"opentelemetry-api": "1.45.2"}


def observe_loops(meter_provider: MeterProvider | None = None) -> None:
    """Have OpenTelemetry observe the counters of all loops, as `giambio.metrics` tells them.

    The instruments are called ``giambio.steps``, ``giambio.worst_lag`` and so on, and times are in
    seconds. The attribute ``loop`` is a number that a loop has while it runs. Call it once, before
    or after the loops are made.

    Parameters:
        meter_provider: of OpenTelemetry's; by default the global one.

    Not a checkpoint. May be called from any thread.

    Example:
        >>> import giambio
        >>> from giambio.integrations.opentelemetry import observe_loops
        >>> from opentelemetry.sdk.metrics import MeterProvider
        >>> from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        >>> reader = InMemoryMetricReader()
        >>> observe_loops(MeterProvider([reader]))
        >>> async def main():
        ...     (resource,) = reader.get_metrics_data().resource_metrics
        ...     return sorted(metric.name for metric in resource.scope_metrics[0].metrics)[:3]
        >>> giambio.run(main)
        ['giambio.driver', 'giambio.lag', 'giambio.ready']
    """
    meter = get_meter("giambio", VERSION, meter_provider)
    loops = LoopNumbers()
    for series in SERIES:
        # An exporter to Prometheus puts the unit and the kind into the name again.
        name, in_seconds, _ = series.name.removesuffix("_total").partition("_seconds")
        options = {"unit": "s" if in_seconds else "", "description": series.help}
        callbacks = [partial(observe, loops, series.field)]
        if series.is_counter:
            meter.create_observable_counter(f"giambio.{name}", callbacks, **options)
        else:
            meter.create_observable_gauge(f"giambio.{name}", callbacks, **options)


def observe(loops: LoopNumbers, field: str, options: CallbackOptions) -> Iterator[Observation]:
    """Yield one counter of each loop."""
    for number, counters in loops.look():
        yield Observation(getattr(counters, field), {"loop": number})
