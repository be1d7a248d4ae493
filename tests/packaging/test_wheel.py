"""The wheel, not the tree: what people install."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = Path(__file__).resolve().parents[2]
    directory = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)],
        cwd=root,
        check=True,
        capture_output=True,
    )
    (built,) = directory.glob("*.whl")
    return built


def test_the_wheel_holds_the_three_packages_with_their_types_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    packages = {"anchor_uploads", "anchor_browser_api_client", "anchor_browser_api_models"}
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == packages
    assert {f"{package}/py.typed" for package in packages} <= set(names)
    assert "anchor_uploads/_attach/page.js" in names
    assert not [name for name in names if "__pycache__" in name or "tests/" in name]
    assert [name for name in names if name.endswith("licenses/LICENSE")]


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


def test_what_was_built_works_without_pydantic(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    process = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.stdout == "content\n", process.stderr
