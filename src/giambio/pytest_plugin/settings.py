"""Settings for async tests: of the project, on the command line, and in marks."""

from __future__ import annotations

import os
from typing import Any

import pytest

from giambio.pytest_plugin.ownership import MARK, OTHER_MODES, SIMULATE

__all__ = [
    "failure",
    "options_of",
    "pytest_addoption",
    "pytest_configure",
    "pytest_configure_node",
    "pytest_report_header",
    "timeout_of",
    "update_by_marks",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        "giambio_mode",
        "strict: async tests with the mark giambio run on it; auto: all that nobody else claims",
        default="strict",
    )
    parser.addini("giambio_timeout", "seconds that an async test may take (none by default)")
    parser.addini(
        "giambio_strict",
        "failures of a giambio.TaskManager are always groups, as in giambio.run(strict=True)",
        type="bool",
        default=False,
    )
    group = parser.getgroup("giambio")
    group.addoption("--giambio-driver", metavar="NAME", help="the driver of giambio's loops")
    group.addoption(
        "--giambio-seed",
        metavar="N|random",
        help="run async tests under the random schedule of this seed, or of one drawn by lot",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "giambio(timeout=, driver=, seed=, strict=): run this async test on giambio; "
        "timeout: seconds it may take; the others as in giambio.run()",
    )
    config.addinivalue_line(
        "markers",
        f"{SIMULATE}(seeds=, faults=): this async test describes a system of hosts, which is "
        "simulated; see giambio.testing.simulate()",
    )
    mode = config.getini("giambio_mode")
    if mode not in ("auto", "strict"):
        raise pytest.UsageError(f"giambio_mode is strict or auto, not {mode!r}")
    for name, value in OTHER_MODES.items():
        if mode == "auto" and setting(config, name) == value:
            raise pytest.UsageError(
                f"giambio_mode = auto and {name} = {str(value).lower()} both claim every async "
                "test; leave one of them at strict, and mark its tests"
            )
    timeout_or_none("giambio_timeout", config.getini("giambio_timeout"))
    # A worker of pytest-xdist gets the number that was drawn for all.
    seed = getattr(config, "workerinput", {}).get("giambio_seed", config.getoption("giambio_seed"))
    config.option.giambio_seed = seed_or_none(seed)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand the seed to a worker of pytest-xdist."""
    node.workerinput["giambio_seed"] = node.config.getoption("giambio_seed")


def setting(config: pytest.Config, name: str) -> Any:
    """Return a setting of another plugin, from the command line or the configuration."""
    try:
        return config.getoption(name, None) or config.getini(name)
    except ValueError:
        return None  # it is not there


def seed_or_none(text: str | int | None) -> int | None:
    """Return the number that ``--giambio-seed`` means."""
    if text == "random":
        return int.from_bytes(os.urandom(4), "little")
    try:
        return None if text is None else int(text)
    except ValueError:
        raise pytest.UsageError(
            f"--giambio-seed needs a whole number or 'random', not {text!r}"
        ) from None


def timeout_or_none(what: str, value: Any) -> float | None:
    """Return a number of seconds, however it was written; None for no limit."""
    if value in (None, ""):
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise pytest.UsageError(f"{what} needs a number of seconds, not {value!r}")
    return seconds


def pytest_report_header(config: pytest.Config) -> str | None:
    seed = config.getoption("giambio_seed")
    return None if seed is None else f"giambio: random schedule, --giambio-seed={seed}"


def options_of(item: pytest.Function) -> dict[str, Any]:
    """Return the options of a test's loop, and its timeout: a mark precedes the settings."""
    config = item.config
    options = {
        "driver": config.getoption("giambio_driver"),
        "seed": config.getoption("giambio_seed"),
        "strict": config.getini("giambio_strict"),
        "timeout": config.getini("giambio_timeout"),
    }
    update_by_marks(options, item, MARK)
    return options


def update_by_marks(options: dict[str, Any], item: pytest.Function, name: str) -> None:
    """Let the marks of a test with a name precede its other options; the closest one counts."""
    for mark in reversed(list(item.iter_markers(name))):
        unknown = ", ".join([*map(repr, mark.args), *sorted(mark.kwargs.keys() - options)])
        if unknown:
            raise failure(
                f"@pytest.mark.{name} takes {', '.join(f'{option}=' for option in options)} "
                f"and nothing else; it got {unknown}"
            )
        options.update(mark.kwargs)


def timeout_of(item: pytest.Function) -> float | None:
    """Return the seconds that the test, and each of its fixtures, may take."""
    try:
        return timeout_or_none("timeout=", options_of(item)["timeout"])
    except pytest.UsageError as exc:
        raise failure(f"@pytest.mark.giambio: {exc}") from None


def failure(text: str, where: bool = False) -> BaseException:
    """Return the exception that fails a test; code under test does not catch it by accident.

    Parameters:
        text: the reason.
        where: whether the place where it is raised tells something.
    """
    return pytest.fail.Exception(text, pytrace=where)
