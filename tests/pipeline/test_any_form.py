"""The same contract, taken over in whichever form it is published, leaves all in step and the drift tests green."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openapi import yaml
from spec_pipeline import command, regenerate, vendor
from spec_pipeline.derive.build import client_openapi, plain_openapi
from spec_pipeline.published import text
from spec_pipeline.published.source import Source
from support.copies import copied, run_tests
from support.whole_document import around

PAGES = Path(__file__).parent / "pages"
GENERATORS = command.ROOT / ".venv-generate"


def page_b() -> bytes:
    return (PAGES / "upload-files.openapi.md").read_bytes()


def page_c() -> bytes:
    return (PAGES / "upload-files.whole.md").read_bytes()


def whole_document() -> bytes:
    document: Any = text.read(page_b(), "page").document
    return yaml.dump(around(document, paths=75)).encode()


PUBLISHED: dict[str, tuple[Callable[[], bytes], str]] = {
    "form B": (page_b, "form B, POST /v1/sessions/{sessionId}/uploads"),
    "form C": (page_c, "form C, POST /v1/sessions/{sessionId}/uploads"),
    "a whole document": (whole_document, "form B, 223 operations"),
}


@pytest.mark.parametrize("what", PUBLISHED)
def test_the_same_contract_can_be_taken_over(
    what: str, root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _published, said = PUBLISHED[what]
    copy = shutil.copytree(root / "spec", tmp_path / "copy" / "spec").parent

    assert accepted(what, copy) == 0
    output = capfd.readouterr().out
    assert output.startswith("no change\n")
    assert said in output
    assert Source.read(copy / "spec").page == "https://docs.example/x"
    # All else that is generated is made of this.
    assert for_the_generators(copy) == for_the_generators(root)


@pytest.mark.skipif(not GENERATORS.exists(), reason="the generators are not installed; scripts/regenerate says more")
def test_once_it_is_regenerated_the_tests_of_the_contract_hold(root: Path, tmp_path: Path) -> None:
    copy = copied(tmp_path / "copy", spec=root / "spec")
    assert accepted("a whole document", copy) == 0
    assert regenerate.main(["--root", str(copy), "--generators", str(GENERATORS)]) == 0
    made = (copy / "spec" / "client.yaml").read_text("utf-8")
    assert made.endswith(f"regenerate. Do not edit.\n{for_the_generators(root)}")

    run = run_tests(copy, "tests/contract/test_facts.py", "tests/contract/test_in_step.py")
    assert run.returncode == 0, run.stdout + run.stderr


def accepted(what: str, copy: Path) -> int:
    page = copy.with_name("page")
    page.write_bytes(PUBLISHED[what][0]())
    return vendor.main([str(page), "--accept", "--address", "https://docs.example/x", "--root", str(copy)])


def for_the_generators(root: Path) -> str:
    """What the generators are given."""
    spec = root / "spec"
    names = yaml.load((spec / "overlay.yaml").read_text("utf-8"), name="overlay")
    return yaml.dump(client_openapi(plain_openapi(Source.read(spec), spec), names))
