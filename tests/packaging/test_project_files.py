"""What GitHub reads is in the form that it takes, and agrees with the package."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import anchor_uploads

ROOT = Path(__file__).resolve().parents[2]
FORMS = sorted(set((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")) - {ROOT / ".github/ISSUE_TEMPLATE/config.yml"})
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_what_is_cited_is_this_version_under_its_license() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == anchor_uploads.__version__
    assert (
        citation["license"] == re.search(r'^license = "(.*)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.M)[1]
    )  # type: ignore[index]
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_an_issue_form_has_what_github_wants(form: Path) -> None:
    content = yaml.safe_load(form.read_text("utf-8"))
    assert {"name", "description", "body"} <= content.keys()
    fields = [field for field in content["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields) > 0
    for field in fields:
        assert field["type"] in ("textarea", "input", "dropdown")
        assert field["attributes"]["label"]
        assert ("options" in field["attributes"]) == (field["type"] == "dropdown")


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.stem)
def test_a_workflow_calls_scripts_that_there_are_and_may_do_little(workflow: Path) -> None:
    text = workflow.read_text("utf-8")
    content = yaml.safe_load(text)
    assert content["permissions"]["contents"] == "read"
    assert all("timeout-minutes" in job for job in content["jobs"].values())
    called = re.findall(r"python (scripts/[\w-]+)", text)
    assert called
    assert all((ROOT / script).is_file() for script in called)


def ci_of(job: str) -> dict[str, Any]:
    content = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
    return dict(content["jobs"][job])


def versions() -> list[str]:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    return re.findall(r'^  "Programming Language :: Python :: (3\.\d+)",$', project, re.M)


def test_ci_takes_the_oldest_and_the_newest_version_with_each_change_and_all_of_them_each_week() -> None:
    matrix = ci_of("test")["strategy"]["matrix"]
    changed, weekly = (json.loads(found) for found in re.findall(r"'(\[.*?\])'", matrix["python"]))
    assert (changed, weekly) == ([versions()[0], versions()[-1]], versions())
    assert ci_of("wheel")["strategy"]["matrix"] == {"python": versions(), "resolution": ["lowest", "highest"]}


@pytest.mark.parametrize(
    ("job", "system"),
    [("test", "ubuntu-latest"), ("test", "macos-latest"), ("test", "windows-latest"), ("wheel", "ubuntu-latest")],
)
def test_ci_runs_on_the_systems_that_the_readme_names(job: str, system: str) -> None:
    label = {"ubuntu-latest": "Linux", "macos-latest": "macOS", "windows-latest": "Windows"}[system]
    (row,) = re.findall(rf"^\| {label} \|(.*)\|(.*)\|$", (ROOT / "README.md").read_text("utf-8"), re.M)
    content = ci_of(job)
    assert system in content["strategy"]["matrix"].get("os", [content["runs-on"]])
    assert "CI" in row[["test", "wheel"].index(job)]


@pytest.mark.parametrize(
    ("job", "command", "kept"),
    [
        ("test", "scripts/test", ["kept/test.txt", "kept/junit.xml", "pytest"]),
        ("test", "scripts/check", ["kept/check.txt"]),
        ("test", "scripts/demo", ["kept/demo.txt"]),
        ("test", "scripts/torture", ["kept/torture.txt"]),
        ("wheel", "scripts/test --wheel", ["kept/test.txt", "kept/junit.xml", "pytest"]),
    ],
)
def test_what_ci_runs_is_kept_if_it_fails(job: str, command: str, kept: list[str]) -> None:
    steps = ci_of(job)["steps"]
    (step,) = [step for step in steps if f"python {command} " in step.get("run", "")]
    (upload,) = [step for step in steps if step.get("uses", "").startswith("actions/upload-artifact")]
    assert upload["if"] == "${{ failure() }}"
    assert steps.index(upload) > steps.index(step)
    taken = [path.removeprefix("${{ runner.temp }}/") for path in upload["with"]["path"].splitlines()]
    for file in kept:
        assert f'"$RUNNER_TEMP/{file}"' in step["run"]
        assert any(f"{file}/".startswith(f"{folder}/") for folder in taken)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.stem)
def test_no_pipe_hides_the_status_of_what_writes_to_it(workflow: Path) -> None:
    # GitHub's own way to call bash takes the status of a pipe's last command; named, it takes that of any that failed.
    content = yaml.safe_load(workflow.read_text("utf-8"))
    piped = any("| tee " in step.get("run", "") for job in content["jobs"].values() for step in job["steps"])
    assert not piped or content["defaults"]["run"]["shell"] == "bash"
