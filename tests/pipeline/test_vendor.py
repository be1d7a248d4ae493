"""`scripts/vendor` says what the published spec has changed, how bad that is, and writes only when told to."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from openapi import yaml
from openapi.errors import SpecError
from spec_pipeline import command, mutate, regenerate, toml, vendor
from spec_pipeline.derive import operations
from spec_pipeline.derive.build import client_openapi, plain_openapi
from spec_pipeline.published import fetch, text
from spec_pipeline.published.source import Source
from support.whole_document import around

PAGES = Path(__file__).parent / "pages"
AT = ("--address", "https://docs.example/here.md")
UPLOAD = ("post", "/v1/sessions/{sessionId}/uploads")


@pytest.fixture
def copy(tmp_path: Path, root: Path) -> Path:
    copy = tmp_path / "copy"
    shutil.copytree(root / "spec", copy / "spec")
    (copy / "spec" / "openapi.yaml").write_text(yaml.dump(derived(copy)), "utf-8")
    return copy


@pytest.fixture
def run(copy: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def call(*arguments: str | Path) -> tuple[int, str]:
        status = vendor.main([*map(str, arguments), "--root", str(copy)])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return call


def tree(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def block(copy: Path) -> str:
    return (copy / "spec" / "openapi-mintlify.yaml").read_bytes().decode()


def page(text: str, *, source: str = "", file: str = "openapi-mintlify.yaml", method: str = "post") -> str:
    head = f"# Source: {source}\n\n" if source else ""
    return f"{head}# Upload Files\n\n````yaml {file} {method} {UPLOAD[1]}\n{text}````\n"


def derived(copy: Path) -> dict[str, Any]:
    return plain_openapi(Source.read(copy / "spec"), copy / "spec")


# What it says -----------------------------------------------------------------------------------------------------


def test_what_is_vendored_has_not_changed(run: Any, copy: Path, tmp_path: Path) -> None:
    before = tree(copy)
    (tmp_path / "page.md").write_bytes(page(block(copy)).encode())

    for given in (copy / "spec" / "openapi-mintlify.yaml", copy / "spec" / "openapi.yaml", tmp_path / "page.md"):
        status, said = run(given)
        assert status == 0
        assert "no change" in said
        assert ("The published text differs" in said) == (given.name == "openapi.yaml")
    assert tree(copy) == before


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("upload-files.openapi.md", "B, POST /v1/sessions/{sessionId}/uploads"),
        ("upload-files.whole.md", "C, POST /v1/sessions/{sessionId}/uploads"),
        ("whole.yaml", "B, 3 operations"),
    ],
)
def test_another_form_of_the_same_is_no_change(name: str, form: str, run: Any) -> None:
    status, said = run(PAGES / name)
    assert status == 0, said
    assert f"form {form}" in said
    assert "no change" in said


def test_a_whole_document_of_many_operations_is_no_change(run: Any, tmp_path: Path) -> None:
    """Most of what it has besides cannot be generated, and some of it cannot even be read."""
    name = "upload-files.openapi.md"
    document: Any = text.read((PAGES / name).read_bytes(), name).document
    (tmp_path / "whole.yaml").write_text(yaml.dump(around(document, paths=75)), "utf-8")

    status, said = run(tmp_path / "whole.yaml")
    assert status == 0, said
    assert said.startswith("no change\n")
    assert "name them: 222 operations" in said


def test_an_operation_is_found_where_its_path_refers_to_it(run: Any, tmp_path: Path) -> None:
    name = "upload-files.openapi.md"
    document: Any = text.read((PAGES / name).read_bytes(), name).document
    document["components"]["pathItems"] = {"upload": document["paths"][UPLOAD[1]]}
    for reference, status, words in (
        ("#/components/pathItems/upload", 0, "no change"),
        ("#/components/pathItems/gone", 3, "names nothing"),
    ):
        document["paths"][UPLOAD[1]] = {"$ref": reference}
        (tmp_path / "whole.yaml").write_text(yaml.dump(document), "utf-8")
        found, said = run(tmp_path / "whole.yaml")
        assert (found, words in said) == (status, True), said


def test_what_a_whole_document_has_besides_is_left_out_and_named(run: Any) -> None:
    _, said = run(PAGES / "whole.yaml")
    assert "Left out, because spec/operations.toml does not name them: 2 operations; --verbose lists them\n" in said
    assert "GET /v1/profiles" not in said
    _, said = run(PAGES / "whole.yaml", "--verbose")
    assert ": 2 operations\n  POST /v1/sessions\n  GET /v1/profiles/{name}\n" in said
    assert "the overlay's version stands: POST /v1/sessions" in said


@pytest.mark.parametrize(
    ("old", "new", "status", "said"),
    [
        ("description: Session not found", "description: No session", 0, "wording (1)"),
        ("deprecated: false", "deprecated: true", 1, "compatible (1)"),
        ("anchor-api-key:", "x-api-key:", 2, "breaking (1)"),
        ("  deprecated: false", "  deprecatd: false", 3, "/paths/deprecatd"),
        ("paths:\n  path", "paths: [\n  path", 3, "not YAML"),
    ],
)
def test_the_exit_status_is_the_verdict(
    old: str, new: str, status: int, said: str, run: Any, copy: Path, tmp_path: Path
) -> None:
    before = tree(copy)
    assert block(copy).count(old) == 1
    (tmp_path / "changed.yaml").write_bytes(block(copy).replace(old, new).encode())

    found, text = run(tmp_path / "changed.yaml")
    assert (found, said in text) == (status, True), text
    assert tree(copy) == before


def test_changes_come_in_groups_the_worst_first_with_place_values_and_who_is_hit(
    run: Any, copy: Path, tmp_path: Path
) -> None:
    text = block(copy)
    for old, new in (
        ("description: Session not found", "description: No session"),
        ("deprecated: false", "deprecated: true"),
        ("anchor-api-key:", "x-api-key:"),
    ):
        text = text.replace(old, new)
    (tmp_path / "changed.yaml").write_bytes(text.encode())

    status, said = run(tmp_path / "changed.yaml")
    assert status == 2
    assert re.findall(r"^(\w+) \(\d+\)$", said, re.MULTILINE) == ["breaking", "compatible", "wording"]
    assert (
        "breaking (1)\n"
        "  /components/securitySchemes/api_key_header/name\n"
        '      security scheme, name: "anchor-api-key" -> "x-api-key"\n'
        "      wrapper: sends the key in a way that may be refused; local Anchor: checks the old way\n"
    ) in said


def test_a_page_of_another_operation_is_not_the_one_that_we_use(run: Any) -> None:
    status, said = run(PAGES / "scan-page.mintlify.md")
    assert status == 2
    assert "Not published here, though spec/operations.toml names it: POST /v1/sessions/{sessionId}/uploads" in said
    assert "the operation is gone" in said


def test_the_overlay_that_does_not_fit_any_more_is_named_at_once(run: Any, copy: Path, tmp_path: Path) -> None:
    text = block(copy).replace("{sessionId}", "{session}").replace("        sessionId:", "        session:")
    (tmp_path / "changed.yaml").write_bytes(text.encode())

    status, said = run(tmp_path / "changed.yaml")
    assert status == 1
    assert "The overlay has to follow, before code can be generated: /actions/1" in said


def test_the_verdict_comes_first_and_last(run: Any, copy: Path, tmp_path: Path) -> None:
    text = block(copy).replace("anchor-api-key:", "x-api-key:").replace("Session not found", "No session")
    (tmp_path / "changed.yaml").write_bytes(text.encode())

    lines = run(tmp_path / "changed.yaml")[1].splitlines()
    assert lines[0] == lines[-1] == "breaking: 1 breaking, 0 compatible, 1 wording"
    lines = run(copy / "spec" / "openapi.yaml")[1].splitlines()
    assert lines[0] == lines[-1] == "no change"


# What is no verdict ---------------------------------------------------------------------------------------------------


def test_a_wrong_option_is_no_verdict(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for main in (vendor.main, regenerate.main, mutate.main):
        with pytest.raises(SystemExit) as caught:
            main(["--acept"])
        assert caught.value.code == command.FAILED
        assert "unrecognized arguments: --acept" in capsys.readouterr().err


def test_a_fault_of_the_program_is_no_verdict(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor, "diff", lambda _old, _new: 1 / 0)
    status, said = run(PAGES / "whole.yaml")
    assert status == command.FAILED
    assert "ZeroDivisionError" in said
    assert said.endswith("vendor: a fault of this program, and no verdict about the spec\n")


COMMANDS: dict[str, Callable[[Path], int]] = {
    "vendor": lambda root: vendor.main([str(PAGES / "whole.yaml"), "--accept", *AT, "--root", str(root)]),
    "regenerate": lambda root: regenerate.main(["--root", str(root)]),
    "mutate": lambda root: mutate.main([]),
}


@pytest.fixture(params=COMMANDS)
def refused(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[Path], str]:
    """Runs each of the commands on a repository that it cannot work on, and returns the one line that it says."""

    def call(root: Path) -> str:
        monkeypatch.setattr(command, "ROOT", root)
        assert COMMANDS[request.param](root) == command.FAILED
        said = capsys.readouterr().err
        assert "Traceback" not in said
        (line,) = (line for line in said.splitlines() if "another SHA-256" not in line)
        assert line.startswith(f"{request.param}: ")
        return line

    return call


@pytest.fixture
def repository(copy: Path, root: Path) -> Path:
    """What `mutate` works on, too, which lies elsewhere."""
    for name in ("mutations", "pages", "spec"):
        shutil.copytree(root / name, copy / "tests" / "pipeline" / name)
    return copy


@pytest.mark.parametrize("name", ["SOURCE.toml", "openapi-mintlify.yaml", "operations.toml", "overlay.yaml"])
def test_what_is_not_utf_8_is_named(name: str, refused: Callable[[Path], str], repository: Path) -> None:
    for file in repository.rglob(name):
        file.write_bytes(b"\xff")
    line = refused(repository)
    assert f"{name}: not UTF-8" in line
    assert line.endswith("save it as UTF-8")


def test_where_nothing_is_the_file_that_is_missed_is_named(refused: Callable[[Path], str], tmp_path: Path) -> None:
    line = refused(tmp_path / "nowhere")
    assert repr(str(tmp_path / "nowhere"))[1:-1] in line
    assert line.endswith("; put that right, then run this again")


@pytest.mark.parametrize("refused", ["vendor", "regenerate"], indirect=True)
def test_what_the_disk_has_no_room_for_is_named(
    refused: Callable[[Path], str], copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    assert re.search(r"No space left on device: '.*openapi.*\.yaml(\.new)?'; put that right", refused(copy))


def test_what_cannot_even_be_imported_is_no_verdict(tmp_path: Path) -> None:
    package = shutil.copytree(command.ROOT / "scripts" / "spec_pipeline", tmp_path / "spec_pipeline")
    (package / "changes" / "change.py").write_text("import nothing_of_the_kind", "utf-8")
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-m", "spec_pipeline.command", "vendor"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(command.ROOT / "scripts")))},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == command.FAILED
    assert "nothing_of_the_kind" in done.stderr


@pytest.mark.parametrize(("bound", "said"), [("SECONDS", "seconds"), ("MIB", "MiB of memory")])
def test_what_takes_too_much_is_no_verdict(bound: str, said: str, copy: Path, tmp_path: Path) -> None:
    (tmp_path / "large.yaml").write_text("a: '" + "x" * 15_000_000 + "'\nb:\n" + "  - c: 1\n" * 60_000, "utf-8")
    code = f"import sys; from spec_pipeline import bounds, vendor; bounds.{bound} = 0.1; sys.exit(vendor.main())"
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code, tmp_path / "large.yaml", "--root", copy],
        env={**os.environ, "PYTHONPATH": str(command.ROOT / "scripts")},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == command.FAILED
    assert done.stdout == ""
    assert done.stderr.startswith("vendor: gave up, no verdict: this takes more than 0.1")
    assert said in done.stderr


def test_an_error_among_several_pages_names_the_page(run: Any, copy: Path, tmp_path: Path) -> None:
    (tmp_path / "one.md").write_bytes(page(block(copy)).encode())
    for name, old, new in (("two.md", "format: uuid", "format: 7"), ("three.md", "method: post", "methd: post")):
        (tmp_path / name).write_bytes(page(block(copy).replace(old, new)).encode())
        status, said = run(tmp_path / "one.md", tmp_path / name)
        assert status == command.FAILED
        assert str(tmp_path / name) in said
        assert "one.md" not in said


@pytest.mark.parametrize(
    "script", ["bench", "check", "check-live", "demo", "mutate", "mutate-code", "regenerate", "test", "vendor"]
)
def test_a_script_tells_what_it_is_for_without_making_anything(script: str, tmp_path: Path) -> None:
    scripts = shutil.copytree(command.ROOT / "scripts", tmp_path / "scripts")
    done = subprocess.run(
        # Isolated from what is installed here: there is nothing on the machine of somebody who asks for the first time.
        [sys.executable, "-S", "-E", "-X", "utf8", scripts / script, "--help"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) > 1
    assert [path.name for path in tmp_path.iterdir()] == ["scripts"]


# What it refuses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "neither a page"),
        ("<!doctype html><p>hello", "this is HTML"),
        ("# A page\n\nof prose\n", "neither a page"),
        ("- 1\n", "neither a page"),
        ("openapi: 3.0.3\npaths: {}\n", "'3.0.3' is not 3.1"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_what_is_no_published_page_cannot_be_read(text: str | bytes, said: str, run: Any, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_bytes(text if isinstance(text, bytes) else text.encode())
    status, found = run(tmp_path / "page.md")
    assert (status, said in found) == (3, True), found
    assert "page.md" in found


def test_a_file_that_is_not_there_is_named(run: Any) -> None:
    status, said = run("nowhere.md")
    assert status == 3
    assert said.startswith("vendor: nowhere.md: cannot be read")


def test_a_fence_that_contradicts_the_body_is_refused(run: Any, copy: Path, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_bytes(page(block(copy), method="put").encode())
    status, said = run(tmp_path / "page.md")
    assert status == 3
    assert "the fence says put" in said


def test_two_pages_that_contradict_each_other_are_refused_and_both_are_named(
    run: Any, copy: Path, tmp_path: Path
) -> None:
    (tmp_path / "one.md").write_bytes(page(block(copy)).encode())
    (tmp_path / "two.md").write_bytes(page(block(copy).replace("format: uuid", "format: ulid")).encode())

    status, said = run(tmp_path / "one.md", tmp_path / "two.md")
    assert status == 3
    assert "one.md" in said
    assert "two.md" in said
    assert "/post/parameters/0/schema/format" in said


def test_pages_that_differ_in_words_only_contradict_nothing_and_the_first_ones_stand(
    run: Any, copy: Path, tmp_path: Path
) -> None:
    (tmp_path / "one.md").write_bytes(page(block(copy)).encode())
    (tmp_path / "two.md").write_bytes(page(block(copy).replace("Session not found", "No session")).encode())

    assert run(tmp_path / "one.md", tmp_path / "two.md")[0] == 0
    status, said = run(tmp_path / "two.md", tmp_path / "one.md")
    assert status == 0
    assert '"Session not found" -> "No session"' in said


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        (
            "api_key_header:\n      type: apiKey\n      in: header",
            "api_key_header:\n      type: apiKey\n      in: query",
            "/in",
        ),
        (
            "            code:\n              type: integer",
            "            code:\n              type: string",
            "/code/type",
        ),
        ("url: https://api.anchorbrowser.io", "url: https://eu.example", "/servers/0/url"),
    ],
)
def test_pages_of_two_operations_that_contradict_each_other_in_what_they_share(
    old: str, new: str, place: str, run: Any, copy: Path, tmp_path: Path
) -> None:
    (copy / "spec" / "operations.toml").write_text(f'generate = ["POST {UPLOAD[1]}", "POST /v1/other"]\n', "utf-8")
    document = (copy / "spec" / "openapi.yaml").read_text("utf-8")
    assert old in document
    other = document.replace(f"  {UPLOAD[1]}:", "  /v1/other:").replace(
        "name: sessionId\n          in: path", "name: s\n          in: query"
    )
    (tmp_path / "one.yaml").write_text(document, "utf-8")
    (tmp_path / "same.yaml").write_text(other, "utf-8")
    (tmp_path / "two.yaml").write_text(other.replace(old, new), "utf-8")

    status, said = run(tmp_path / "one.yaml", tmp_path / "same.yaml")
    assert status == 1, said
    status, said = run(tmp_path / "one.yaml", tmp_path / "two.yaml")
    if "servers" in place:
        # Two operations may be served from two places; nothing contradicts anything.
        assert status == 1
        return
    assert status == 3
    assert "one.yaml" in said
    assert "two.yaml" in said
    assert place in said


# What it writes -----------------------------------------------------------------------------------------------------


def test_accepting_keeps_the_published_bytes_and_records_where_they_are_from(
    run: Any, copy: Path, tmp_path: Path
) -> None:
    text = block(copy).replace("deprecated: false", "deprecated: true  # since today")
    (tmp_path / "page.md").write_bytes(page(text, source="https://docs.example/upload.md").encode())

    status, said = run(tmp_path / "page.md", "--accept")
    assert status == 1
    assert "scripts/regenerate" in said
    assert block(copy) == text
    source = Source.read(copy / "spec")
    assert (source.page, source.form, source.file) == ("https://docs.example/upload.md", "A", "openapi-mintlify.yaml")
    assert source.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert not source.differs_from(copy / "spec")
    assert derived(copy)["paths"][UPLOAD[1]]["post"]["deprecated"] is True
    assert run(tmp_path / "page.md")[0] == 0


def test_a_file_that_does_not_tell_where_it_is_from_is_asked_for_it(run: Any, copy: Path) -> None:
    before = tree(copy)
    name = PAGES / "upload-files.openapi.md"
    for given in ((), (*AT, *AT), ("--address", "here.md")):
        status, said = run(name, "--accept", *given)
        assert status == 3
        assert f"say with --address where each file that does not tell itself was published ({name})" in said
    assert tree(copy) == before
    assert run(name, "--accept", *AT)[0] == 0
    assert Source.read(copy / "spec").page == AT[1]


def test_line_ends_are_kept(run: Any, copy: Path, tmp_path: Path) -> None:
    text = page(block(copy)).replace("\n", "\r\n")
    (tmp_path / "page.md").write_bytes(text.encode())
    assert run(tmp_path / "page.md", "--accept", *AT)[0] == 0
    assert block(copy).count("\r\n") == block(copy).count("\n") > 0


@pytest.mark.parametrize("name", ["upload-files.openapi.md", "upload-files.whole.md", "whole.yaml"])
def test_whichever_form_is_vendored_the_derived_contract_is_the_same(name: str, run: Any, copy: Path) -> None:
    before = yaml.dump(derived(copy))
    assert run(PAGES / name, "--accept", *AT)[0] == 0
    assert yaml.dump(derived(copy)) == before
    vendored = [path.name for path in (copy / "spec").glob("*") if path.name.startswith("openapi-")]
    assert vendored == [Source.read(copy / "spec").file]


def test_several_pages_become_one_stream_in_their_order(run: Any, copy: Path, tmp_path: Path) -> None:
    scan = (PAGES / "scan-page.mintlify.md").read_bytes()
    (tmp_path / "scan.md").write_bytes(b"# Source: https://docs.example/scan.md\n\n" + scan)
    (tmp_path / "upload.md").write_bytes(page(block(copy), source="https://docs.example/upload.md").encode())
    upload = block(copy)
    before = yaml.dump(derived(copy))

    status, said = run(tmp_path / "scan.md", tmp_path / "upload.md", "--accept")
    assert status == 0, said
    source = Source.read(copy / "spec")
    assert source.pages == ["https://docs.example/scan.md", "https://docs.example/upload.md"]
    assert source.form == ["A", "A"]
    stream = (copy / "spec" / source.file).read_bytes().decode()
    assert stream.endswith(f"---\n{upload}")
    assert len(yaml.load_all(stream, name="stream")) == 2
    assert yaml.dump(derived(copy)) == before


STARTS = {
    "nothing": "",
    "a comment": "# Source: https://docs.example/a.md\n",
    "a start": "---\n",
    "a start after a comment": "# Source: https://docs.example/a.md\n---\n",
    "a start after an empty line": "\n---\n",
    "a start with a comment": "--- # the start\n",
    "a start and a Windows line end": "---\r\n",
    "a version": "%YAML 1.2\n---\n",
    "a version after a comment": "# a\n\n%YAML 1.2\n--- # the start\n",
    "a byte order mark": "\ufeff",
    "a byte order mark and a start": "\ufeff---\n",
    "a byte order mark and a comment before the start": "\ufeff# Source: https://docs.example/a.md\n---\n",
}


@pytest.mark.parametrize("end", ["\n", "\r\n", "", "\n...\n"])
@pytest.mark.parametrize("start", STARTS)
def test_a_stream_has_each_document_once_however_it_starts_and_ends(start: str, end: str) -> None:
    for other in STARTS.values():
        block, flow = "paths: {}\nopenapi: 3.1.0", '{"openapi": "3.1.0", "paths": {"x-a": "---"}}'
        one, two = f"{STARTS[start]}{block}{end}", f"{other}{flow}{end}"
        for texts in ((one, two), (two, one)):
            parts = [text.read(it.encode(), "it") for it in texts]
            stream = text.joined(parts)
            assert yaml.load_all(stream, name="stream") == [part.document for part in parts]
            assert all(it.removeprefix("\ufeff") in stream for it in texts)


def test_a_stream_that_does_not_say_what_was_accepted_is_not_written(run: Any, copy: Path, tmp_path: Path) -> None:
    before = tree(copy)
    (tmp_path / "page.md").write_bytes(page(block(copy)).encode())
    # Without a line end the text of the block ends without one, too; in a stream there has to be one.
    (tmp_path / "other.yaml").write_text(
        'openapi: 3.1.0\ninfo: {title: a, version: "1"}\npaths: {}\nx-a: |\n  b', "utf-8"
    )

    status, said = run(tmp_path / "page.md", tmp_path / "other.yaml", "--accept", *AT, *AT)
    assert status == 3
    assert "other.yaml" in said
    assert "would say something else in one file" in said
    assert tree(copy) == before


def test_what_lacks_the_operation_that_we_use_is_not_accepted(run: Any, copy: Path) -> None:
    before = tree(copy)
    status, said = run(PAGES / "scan-page.mintlify.md", "--accept")
    assert status == 3
    assert "it is not published here" in said
    assert tree(copy) == before


def test_the_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    data = {
        **toml.load(b"retrieved = 2026-01-02\n", name=""),
        "page": ['a"\\é', "b"],
        "form": ["A", "C"],
        "file": "f",
        "sha256": "0",
    }
    source = Source(**data)
    (tmp_path / "SOURCE.toml").write_text(source.text(), "utf-8")
    assert Source.read(tmp_path) == source


# Which operations are generated -------------------------------------------------------------------------------------


def test_without_a_list_those_that_the_overlay_names_are_generated(copy: Path) -> None:
    assert operations.generated(copy / "spec") == [UPLOAD]
    (copy / "spec" / "operations.toml").unlink()
    assert operations.generated(copy / "spec") == [UPLOAD]


@pytest.mark.parametrize(
    "text", ["", "generate = []", 'generate = ["upload"]', "generate = 1", 'a = 1\ngenerate = ["GET /a"]', "]"]
)
def test_a_list_that_cannot_be_meant_is_refused(text: str, copy: Path) -> None:
    (copy / "spec" / "operations.toml").write_text(text, "utf-8")
    with pytest.raises(SpecError, match=re.escape("spec/operations.toml")):
        operations.generated(copy / "spec")


def test_an_operation_that_is_both_published_and_ours_has_to_be_one_of_them(run: Any, copy: Path) -> None:
    run(PAGES / "whole.yaml", "--accept", *AT)
    (copy / "spec" / "operations.toml").write_text(f'generate = ["POST {UPLOAD[1]}", "POST /v1/sessions"]\n', "utf-8")
    overlay = yaml.load((copy / "spec" / "overlay.yaml").read_text("utf-8"), name="overlay")

    with pytest.raises(SpecError, match=r"POST /v1/sessions: the overlay adds what spec/operations\.toml takes"):
        client_openapi(derived(copy), overlay)


def test_an_operation_that_is_not_published_stops_the_derivation(copy: Path) -> None:
    (copy / "spec" / "operations.toml").write_text('generate = ["GET /v1/nothing"]\n', "utf-8")
    with pytest.raises(SpecError, match="GET /v1/nothing: code is generated from this, but it is not published here"):
        derived(copy)


# Over the network ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(answers: dict[str, tuple[int, dict[str, str], bytes]]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answers[self.path]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_page_is_fetched_and_its_address_recorded(run: Any, copy: Path) -> None:
    text = page(block(copy)).encode()
    with serving({"/upload.md": (302, {"Location": "/there.md"}, b""), "/there.md": (200, {}, text)}) as address:
        status, said = run(f"{address}/upload.md", "--accept")
    assert status == 0, said
    assert Source.read(copy / "spec").page == f"{address}/upload.md"


def test_what_was_vendored_last_is_the_default(run: Any, copy: Path) -> None:
    with serving({"/upload.md": (200, {}, page(block(copy)).encode())}) as address:
        run(f"{address}/upload.md", "--accept")
        status, said = run()
    assert status == 0
    assert f"{address}/upload.md: form A" in said


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((404, {}, b"no"), "answered with 404"),
        ((302, {"Location": "/page"}, b""), "redirects more than 5 times"),
        ((302, {"Location": "http://docs.example/page"}, b""), "http://docs.example/page is not https"),
        ((302, {"Location": "file:///etc/passwd"}, b""), "is not https"),
        ((200, {}, b"# \n" * 400), "larger than"),
    ],
)
def test_what_is_not_fetched(answer: Any, said: str, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_MOST_BYTES", 1000)
    with serving({"/page": answer}) as address:
        status, text = run(f"{address}/page")
    assert (status, said in text) == (3, True), text


@pytest.mark.parametrize(
    "address", ["http://docs.example/a.md", "ftp://127.0.0.1/a", "http://127.0.0.1.example/", "https://"]
)
def test_nothing_is_asked_of_what_is_not_https_nor_this_machine(
    address: str, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("httpx.Client.stream", lambda *_args, **_kwargs: pytest.fail("asked"))
    assert run(address)[0] == 3


def test_a_server_that_is_not_there_is_named(run: Any) -> None:
    with serving({}) as address:
        pass
    status, said = run(f"{address}/upload.md")
    assert status == 3
    assert "check the address and the network" in said


def test_a_file_that_is_too_large_is_not_read(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_MOST_BYTES", 10)
    (tmp_path / "page.md").write_bytes(b"# " * 10)
    status, said = run(tmp_path / "page.md")
    assert status == 3
    assert "larger than" in said
