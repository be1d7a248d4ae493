"""What GitHub reads is in the form that it takes, and agrees with the package."""

from __future__ import annotations

import re
from pathlib import Path

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
