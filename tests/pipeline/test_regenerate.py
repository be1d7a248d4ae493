"""`scripts/regenerate --check` notices every way in which spec/ and generated/ can part."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from spec_pipeline import command, regenerate
from spec_pipeline.derive.compare import differences

GENERATORS = command.ROOT / ".venv-generate"

needs_generators = pytest.mark.skipif(
    not GENERATORS.exists(),
    reason="the generators are not installed: they need Python 3.11, scripts/regenerate says more",
)

FIELD = "            properties:\n              file:\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("made")
    shutil.copytree(Path(__file__).parent / "spec", made / "spec")
    if GENERATORS.exists():
        assert run(made) == 0
    return made


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "copy")


def run(copy: Path, *arguments: str) -> int:
    return regenerate.main([*arguments, "--root", str(copy), "--generators", str(GENERATORS)])


def tree(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@needs_generators
def test_what_is_committed_is_what_is_made_from_any_directory(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    # Projects configure the tools that the generators call, and none of that may show in the output.
    (elsewhere / "pyproject.toml").write_text(
        "[tool.ruff]\nline-length = 40\n[tool.datamodel-codegen]\nwhatever = true\n"
    )
    monkeypatch.chdir(elsewhere)
    before = tree(copy)

    assert run(copy, "--check") == 0, capfd.readouterr().out
    assert tree(copy) == before


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(copy: Path) -> None:
        text = (copy / name).read_text("utf-8")
        assert old in text
        (copy / name).write_bytes(text.replace(old, new, 1).encode())

    return change


UPLOAD = "generated/anchor_browser_api_client/api/uploads/upload_file.py"
MODELS = "generated/anchor_browser_api_models/__init__.py"
CHANGES = {
    "a line of the client edited": (edit(UPLOAD, '"post"', '"put"'), UPLOAD),
    "only white space of the models edited": (edit(MODELS, "import", "import "), MODELS),
    "a line end edited": (edit(MODELS, "\n", "\r\n"), MODELS),
    "a file added": (lambda copy: (copy / "generated/anchor_browser_api_client/more.py").touch(), "/more.py"),
    "a marker file deleted": (lambda copy: (copy / MODELS).with_name("py.typed").unlink(), "models/py.typed"),
    "a module deleted": (lambda copy: (copy / UPLOAD).unlink(), UPLOAD),
    "a package emptied": (lambda copy: shutil.rmtree(copy / "generated/anchor_browser_api_models"), MODELS),
    "the plain OpenAPI edited": (edit("spec/openapi.yaml", "format: uuid", "format: id"), "spec/openapi.yaml"),
    "the client's spec edited": (edit("spec/client.yaml", "uploadFile", "upload"), "spec/client.yaml"),
}


@needs_generators
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_what_is_derived_is_noticed_and_named(name: str, copy: Path, made: Path) -> None:
    # To make it all anew for each of them would say no more: what is made does not depend on what is committed.
    change, named = CHANGES[name]
    assert list(differences(copy, made)) == []
    change(copy)

    found = [text.partition(": ")[0] for text in differences(copy, made)]
    assert any(file.endswith(named) for file in found)
    assert len(found) == (2 if name == "a package emptied" else 1)


@needs_generators
def test_a_difference_comes_with_its_origin_and_a_diff(copy: Path, made: Path) -> None:
    edit(UPLOAD, '"method": "post"', '"method": "put"')(copy)

    (text,) = differences(copy, made)
    assert "made from spec/client.yaml" in text
    assert '-        "method": "put",' in text
    assert '+        "method": "post",' in text


@needs_generators
def test_a_change_of_what_it_is_derived_from_is_noticed_and_named_and_nothing_is_written(
    copy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    edit("spec/openapi-mintlify.yaml", FIELD, FIELD.replace("file:", "files:"))(copy)
    edit("spec/openapi-mintlify.yaml", "              - file\n", "              - files\n")(copy)
    edit("spec/overlay.yaml", "title: UploadForm", "title: Form")(copy)
    before = tree(copy)

    assert run(copy, "--check") == 1
    output = capfd.readouterr()
    assert "spec/openapi-mintlify.yaml: is not what spec/SOURCE.toml says" in output.err
    for named in ("spec/openapi.yaml: differs", "spec/client.yaml: differs", "models/form.py: is missing"):
        assert named in output.out
    assert tree(copy) == before


@needs_generators
def test_a_change_of_what_was_published_is_noticed_although_nothing_comes_of_it(
    copy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    edit("spec/openapi-mintlify.yaml", "paths:", "# hello\npaths:")(copy)

    assert run(copy, "--check") == 1
    output = capfd.readouterr()
    assert "spec/openapi-mintlify.yaml: is not what spec/SOURCE.toml says" in output.err
    assert "differ" not in output.out


@needs_generators
def test_regenerating_mends_every_difference(copy: Path) -> None:
    before = tree(copy)
    edit(UPLOAD, '"post"', '"put"')(copy)
    (copy / "generated/anchor_browser_api_client/stale.py").touch()
    (copy / "spec/client.yaml").unlink()

    assert run(copy) == 0
    assert tree(copy) == before


@pytest.mark.parametrize("step", [1, 2])
def test_a_directory_that_cannot_be_replaced_stays_whole(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, old = tmp_path / "new", tmp_path / "generated" / "package"
    for directory in (new, old):
        directory.mkdir(parents=True)
        (directory / f"of the {directory.name}").touch()
    replace, steps = Path.replace, iter(range(1, 9))

    def refuse(path: Path, target: Path) -> Path:
        if next(steps) == step:
            raise PermissionError(path)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError):
        regenerate._replace(new, old)
    assert [path.name for path in old.iterdir()] == ["of the package"]

    regenerate._replace(new, old)
    assert [path.relative_to(old.parent).as_posix() for path in old.parent.rglob("*")] == [
        "package",
        "package/of the new",
    ]


@needs_generators
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (edit("spec/overlay.yaml", "post.responses['404']", "post.responses['418']"), "matches nothing"),
        (edit("spec/openapi-mintlify.yaml", "  method: post", "  methd: post"), "/paths/methd"),
        (edit("spec/templates/edits.yaml", "boundary=+++", "boundary=---"), "stands 0 times"),
        (edit("spec/generator.yml", "literal_enums: true", "post_hooks: ]"), "openapi-python-client failed"),
        (edit("spec/overlay.yaml", "type: string\n                format: uri", "type: strin"), "not a valid OpenAPI"),
    ],
    ids=["overlay", "unknown key", "template", "settings", "invalid result"],
)
def test_what_cannot_be_used_stops_the_run_with_its_place_and_writes_nothing(
    change: Callable[[Path], None], problem: str, copy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    change(copy)
    before = tree(copy)

    assert run(copy) == 3
    assert problem in capfd.readouterr().err
    assert tree(copy) == before


def test_missing_generators_are_named(copy: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert regenerate.main(["--check", "--root", str(copy), "--generators", str(tmp_path / "none")]) == 3
    assert os.path.join("none", "") in capfd.readouterr().err
