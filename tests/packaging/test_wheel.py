"""The wheel, not the tree: what people install."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("built")
    _run("hatchling", "build", "-d", str(directory), cwd=ROOT)
    return directory


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (wheel,) = built.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("unpacked")
    zipfile.ZipFile(wheel).extractall(directory)
    return directory


def _run(module: str, *arguments: str, cwd: Path, python_path: Path | None = None) -> None:
    process = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(python_path or ""), "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    assert process.returncode == 0, process.stdout


def test_the_wheel_holds_the_two_packages_with_their_types_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    packages = {"anchor_uploads", "anchor_browser_api_client"}
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == packages
    assert {f"{package}/py.typed" for package in packages} <= set(names)
    assert "anchor_uploads/_attach/page.js" in names
    assert not [name for name in names if "__pycache__" in name or "tests/" in name]
    assert [name for name in names if name.endswith("licenses/LICENSE")]


def test_the_index_is_told_who_made_it_and_where_it_is_at_home(unpacked: Path) -> None:
    (metadata,) = unpacked.glob("*.dist-info/METADATA")
    told = message_from_bytes(metadata.read_bytes())
    assert told["Author"]
    assert {url.partition(",")[0] for url in told.get_all("Project-URL", [])} == {"Homepage", "Issues", "Changelog"}
    assert "Framework :: Pytest" in told.get_all("Classifier", [])


def test_an_index_would_take_what_was_built(built: Path) -> None:
    _run("twine", "check", "--strict", *map(str, built.iterdir()), cwd=ROOT)


def test_the_wheel_has_none_of_the_usual_faults(wheel: Path) -> None:
    _run("check_wheel_contents", str(wheel), cwd=ROOT)


def test_every_public_name_has_a_type_that_all_checkers_infer_alike(unpacked: Path, tmp_path: Path) -> None:
    complete = ["--verifytypes", "anchor_uploads", "--ignoreexternal"]
    _run("pyright", "--pythonpath", sys.executable, *complete, cwd=tmp_path, python_path=unpacked)


CODE = """
import sys
sys.modules["pydantic"] = None  # Only the tests have it.
import anchor_uploads, anchor_browser_api_client, pathlib
assert pathlib.Path(anchor_uploads.__file__).is_relative_to(sys.argv[1]), anchor_uploads.__file__
assert pathlib.Path(anchor_browser_api_client.__file__).is_relative_to(sys.argv[1])
from anchor_uploads.local import LocalServer
with LocalServer(browser=False) as anchor:
    with anchor_uploads.UploadClient(api_key=anchor.api_key, base_url=anchor.base_url) as client:
        with client.session() as session:
            path = client.upload_file(session.id, b"content", filename="a.txt").path
            print(pathlib.Path(path).read_text())
"""


def test_what_was_built_works_without_pydantic(unpacked: Path, tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-c", CODE, str(unpacked)],
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.stdout == "content\n", process.stderr
