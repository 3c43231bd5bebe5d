"""The files that GitHub and pre-commit read: sound YAML, and true to the rest of the repository.

Nobody runs a workflow before it is needed, so it must not have rotted by then.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml")

CHECKOUT = Path(__file__).resolve().parents[2]
GITHUB = CHECKOUT / ".github"
WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))
FORMS = sorted(path for path in GITHUB.glob("ISSUE_TEMPLATE/*.yml") if path.stem != "config")

pytestmark = pytest.mark.skipif(
    not GITHUB.exists(), reason="not a checkout: the source distribution has no .github"
)


def load(path: Path) -> Any:
    """What a YAML file says. ``on`` is a word there, and not true."""
    return yaml.load(path.read_text(), Loader=yaml.BaseLoader)


def steps(workflow: Any) -> list[dict[str, Any]]:
    """The steps of all jobs of a workflow."""
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def project() -> dict[str, Any]:
    """The table ``[project]`` of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    return table


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_complete(path: Path) -> None:
    workflow = load(path)
    assert {"name", "on", "permissions", "jobs"} <= set(workflow)
    for job in workflow["jobs"].values():
        assert job["runs-on"]
        assert job["steps"]
    for step in steps(workflow):
        assert ("uses" in step) != ("run" in step)
        # Each action has a version.
        assert "uses" not in step or re.fullmatch(r"[\w-]+/[\w-]+@v[\d.]+", step["uses"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_a_workflow_names_exists(path: Path) -> None:
    extras = set(project()["optional-dependencies"])
    for step in steps(load(path)):
        for word in shlex.split(step.get("run", "")):
            # Where an installed wheel is tested, there is no `src`.
            if word.startswith((".ci/", "benchmarks/", "docs/", "tests/")):
                assert (CHECKOUT / word).exists()
            if found := re.fullmatch(r"\.\[(.+)\]", word):
                assert set(found[1].split(",")) <= extras


def test_pull_requests_are_tested_on_the_pythons_that_are_promised() -> None:
    matrix = load(GITHUB / "workflows" / "tests.yml")["jobs"]["tests"]["strategy"]["matrix"]
    readme = (CHECKOUT / "README.md").read_text()
    assert f"| Linux x86-64 | {', '.join(matrix['python'])} | tested | tested |" in readme
    assert matrix["build"] == ["compiled", "pure"]


def test_pull_requests_are_checked_with_the_commands_of_the_local_run() -> None:
    workflow, script = (
        re.sub(r"[\"',\[\]]", "", path.read_text())
        for path in (GITHUB / "workflows" / "tests.yml", CHECKOUT / ".ci" / "check.py")
    )
    for command in (
        "-m pytest -p no:cacheprovider -m not builds",
        "-m sphinx -W --keep-going docs",
        "-m towncrier build --draft --version next",
    ):
        assert command in workflow
        assert command in script


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_an_issue_form_is_complete(path: Path) -> None:
    form = load(path)
    assert {"name", "description", "body"} <= set(form)
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)


def test_hooks_use_the_linter_of_the_extra() -> None:
    (repository,) = load(CHECKOUT / ".pre-commit-config.yaml")["repos"]
    (ruff,) = (x for x in project()["optional-dependencies"]["lint"] if x.startswith("ruff"))
    assert repository["repo"] == "local"
    assert [hook["additional_dependencies"] for hook in repository["hooks"]] == [[ruff], [ruff]]
