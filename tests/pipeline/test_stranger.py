"""Who adds an operation makes three edits, as CONTRIBUTING.md tells it; the tests take it from there."""

from __future__ import annotations

from pathlib import Path

import pytest

from openapi import yaml
from spec_pipeline import command, regenerate, vendor
from spec_pipeline.published.source import Source
from support.copies import copied, run_tests

PAGES = Path(__file__).parent / "pages"
GENERATORS = command.ROOT / ".venv-generate"
UPLOADS = '"POST /v1/sessions/{sessionId}/uploads"'

# What CONTRIBUTING.md asks for, file by file: what is replaced there (nothing at the end of the file), and by what.
EDITS = {
    "operations.toml": (
        UPLOADS,
        f'{UPLOADS}, "GET /v1/sessions/{{sessionId}}/downloads", "GET /v1/sessions/{{sessionId}}/screenshot"',
    ),
    "overlay.yaml": (
        "",
        """
  - target: $.paths['/v1/sessions/{sessionId}/downloads'].get
    description: The block's name for it is made of its path.
    update:
      operationId: listDownloads
      tags: [downloads]

  - target: $.paths['/v1/sessions/{sessionId}/downloads'].get.responses['200'].content['application/json'].schema
    description: Titles name the generated classes.
    update:
      title: DownloadsReply
      properties:
        data:
          title: Downloads

  - target: $.paths['/v1/sessions/{sessionId}/screenshot'].get
    description: The block's name for it is made of its path.
    update:
      operationId: takeScreenshot
      tags: [screenshots]
""",
    ),
    "generator.yml": ("", "content_type_overrides:\n  image/png: application/octet-stream\n"),
}


@pytest.mark.skipif(not GENERATORS.exists(), reason="the generators are not installed; scripts/regenerate says more")
def test_three_edits_add_an_operation_and_its_answers_are_judged(root: Path, tmp_path: Path) -> None:
    # Not to the spec that is vendored: that may have these operations one day.
    copy = copied(tmp_path / "copy", spec=root / "spec")
    here, spec = ("--root", str(copy)), copy / "spec"
    pages = [
        spec / Source.read(spec).file,
        PAGES / "list-downloads.openapi.md",
        PAGES / "take-screenshot.openapi.md",
    ]
    addresses = [f"--address=https://docs.example/{page.name}" for page in pages]

    assert vendor.main([*map(str, pages), "--accept", *addresses, *here]) == 0
    for name, (old, new) in EDITS.items():
        text = (spec / name).read_text("utf-8")
        assert not old or text.count(old) == 1
        (spec / name).write_text(text.replace(old, new) if old else f"{text.rstrip()}\n{new}", "utf-8")
    assert regenerate.main(["--generators", str(GENERATORS), *here]) == 0

    document = yaml.load((spec / "client.yaml").read_text("utf-8"), name="client.yaml")
    assert isinstance(document, dict)
    assert {"/v1/sessions/{sessionId}/downloads", "/v1/sessions/{sessionId}/screenshot"} <= set(document["paths"])
    for module in ("api/downloads/list_downloads.py", "api/screenshots/take_screenshot.py"):
        assert (copy / "generated" / "anchor_browser_api_client" / module).exists()
    run = run_tests(
        copy,
        "tests/contract/test_in_step.py::test_the_vendored_spec_is_what_was_published",
        "tests/contract/test_facts.py",
        "tests/contract/test_replies.py",
        # What was there before is judged where it is.
        "-k=not uploadFile and not Session",
        "-rs",
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "listDownloads default text/html: a schema describes JSON, not text/html" in run.stdout
    assert "takeScreenshot 200 image/png: a schema describes JSON, not image/png" in run.stdout
