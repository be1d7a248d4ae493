"""The command `anchor-uploads`, in this process, against a local Anchor without browsers."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import pytest

from anchor_uploads import UploadClient, __version__
from anchor_uploads.cli import main
from anchor_uploads.local import LocalServer
from anchor_uploads.local.options import Options
from recording.terminal import on_a_terminal
from support.raw_server import SAVED, Exchange, RawServer, answer

KEY = "a-key-that-must-not-be-shown"
SESSION = "8f2b0f6c-5d4c-4c76-9f6b-1f1f7f6f2a10"
COMMAND = [sys.executable, "-m", "anchor_uploads"]
SAME = [str(Path("x", "same.txt")), str(Path("y", "same.txt"))]

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is asked for its version")
needs_posix = pytest.mark.skipif(os.name != "posix", reason="sh, and terminals of POSIX")


def command(
    *arguments: str, env: Mapping[str, str], python: Sequence[str] = (sys.executable,)
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*python, "-m", "anchor_uploads", *arguments],
        env={**os.environ, **env},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def anchor() -> Iterator[LocalServer]:
    with LocalServer(browser=False, api_key=KEY, max_upload_bytes=1000) as server:
        yield server


@pytest.fixture(autouse=True)
def environment(anchor: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANCHORBROWSER_API_KEY", KEY)
    monkeypatch.setenv("ANCHORBROWSER_BASE_URL", anchor.base_url)


@pytest.fixture
def session_id() -> Iterator[str]:
    with UploadClient() as client, client.session() as session:
        yield session.id


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.txt"
    path.write_bytes(b"eleven byte")
    return path


def one_line(text: str) -> str:
    assert text.endswith("\n")
    assert text.count("\n") == 1
    assert KEY not in text
    return text


def test_upload_tells_where_the_file_is(session_id: str, report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upload", session_id, str(report), "--checksum"]) == 0
    out, error = capsys.readouterr()
    assert one_line(out).startswith("report.txt -> ")
    assert "/uploads/report.txt  11 bytes in " in out.replace("\\", "/")
    assert out.endswith(f"  SHA-256 {sha256(b'eleven byte').hexdigest()}\n")
    assert error == ""


@pytest.mark.parametrize("variables", [{}, {"FORCE_COLOR": "1"}, {"TTY_COMPATIBLE": "1"}])
def test_upload_as_json(
    variables: dict[str, str],
    session_id: str,
    report: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    arguments = ["--json", "--filename", "other.bin", "--content-type", "text/x-mine"]
    assert main(["upload", session_id, str(report), *arguments]) == 0
    out, error = capsys.readouterr()
    assert error == ""
    told = json.loads(one_line(out))
    assert told["file"] == str(report)
    assert (told["name"], told["size"], told["content_type"]) == ("other.bin", 11, "text/x-mine")
    assert Path(told["path"]).read_bytes() == b"eleven byte"


def test_upload_goes_on_after_a_file_that_fails(
    session_id: str, report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(2000))
    paths = [str(tmp_path / "missing"), str(large), str(tmp_path), str(report)]
    assert main(["upload", session_id, *paths, "--json"]) == 1
    out, error = capsys.readouterr()
    told = {line["file"]: line for line in map(json.loads, out.splitlines())}
    kinds = [told[path].get("error", {}).get("type") for path in paths]
    assert kinds == ["SourceError", "FileTooLarge", "SourceError", None]
    assert "pass -r" in told[str(tmp_path)]["error"]["message"]
    *problems, last = error.splitlines()
    assert len(problems) == 3
    assert last == "1 uploaded, 3 failed"
    assert KEY not in error


def test_upload_takes_the_files_in_and_below_a_directory(
    session_id: str,
    tmp_path: Path,
    anchor: LocalServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "~" / "deeper").mkdir(parents=True)
    for name in ("b.txt", "~/a.txt", "~/deeper/.c"):
        (tmp_path / name).write_bytes(name.encode())
    monkeypatch.chdir(tmp_path)
    assert main(["upload", session_id, "-r", "b.txt", "~", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert {file.name: file.read_bytes() for file in anchor.uploads(session_id)} == {
        "b.txt": b"b.txt",
        "a.txt": b"~/a.txt",
        ".c": b"~/deeper/.c",
    }


@needs_posix
def test_directories_that_are_linked_to_are_gone_through_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top, elsewhere = tmp_path / "top", tmp_path / "elsewhere"
    for path in (top / "deep" / "a.txt", elsewhere / "below" / "b.txt"):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"")
    for link, to in {
        "loop": top,
        "deep/loop": top / "deep",
        "around": tmp_path,
        "one": elsewhere,
        "two": elsewhere,
    }.items():
        (top / link).symlink_to(to)
    assert main(["upload", SESSION, "-r", str(top), "--dry-run", "--json"]) == 0
    names = [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()]
    assert sorted(names) == ["a.txt", "b.txt"]


@needs_posix
@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_a_pipe_that_nobody_named_is_refused(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    assert main(["upload", SESSION, "-r", str(tmp_path), *options]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert f"{str(tmp_path / 'pipe')!r} is no regular file" in one_line(error)


def test_what_is_in_a_directory_comes_in_the_order_of_the_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{index}.txt" for index in range(30)]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    assert main(["upload", SESSION, "-r", str(tmp_path), "--dry-run", "--json"]) == 0
    assert [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()] == sorted(names)


def test_a_directory_that_cannot_be_read_or_holds_no_file_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["upload", SESSION, "-r", str(tmp_path)]) == 2
    assert "no file is in" in one_line(capsys.readouterr().err)
    (tmp_path / "a.txt").write_bytes(b"")
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def refuse(path: str) -> object:
        if "closed" in os.fspath(path):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    # To root no directory is closed.
    monkeypatch.setattr(os, "scandir", refuse)
    assert main(["upload", SESSION, "-r", str(tmp_path)]) == 1
    assert "Permission denied" in one_line(capsys.readouterr().err)


def test_names_that_may_be_one_at_the_other_end_are_told(
    session_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("x/Same.txt", "y/same.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"")
    assert main(["upload", session_id, "-r", str(tmp_path), "-q"]) == 0
    assert "'Same.txt' and 'same.txt' differ only in how they are written" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize("options", [[], ["--json"], ["--dry-run"], ["--dry-run", "--json"], ["--quiet"]])
@pytest.mark.parametrize(
    "url", ["http://me:s3cret@127.0.0.1:9/a.txt?signature=s3cret", "memory://me:s3cret@here/a.txt"]
)
def test_what_a_url_holds_that_may_be_secret_is_not_shown(
    url: str, options: list[str], session_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["upload", session_id, url, *options]) == 1
    out, error = capsys.readouterr()
    assert "s3cret" not in out + error
    assert f"{url.partition(':')[0]}://{url.partition('@')[2].partition('?')[0]}" in one_line(error)
    if "--json" in options:
        assert json.loads(out)["file"] in error


def test_what_a_stranger_wrote_moves_no_cursor(
    raw_server: RawServer, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = "\x1b[2J\u202e"
    saved = {"data": {"status": "success", "message": f"File saved at /uploads/{wild}"}}
    started = {"data": {"id": f"id{wild}", "cdp_url": f"ws://{wild}", "live_view_url": f"http://{wild}"}}
    failures = [answer(400, {"error": {"code": 400, "message": wild}})] * 2
    raw_server.script = [answer(200, saved), *failures, answer(200, started)]
    arguments = ["--base-url", raw_server.base_url]
    assert main(["upload", SESSION, str(report), "--filename", "\u202ea", *arguments]) == 0
    assert main(["upload", SESSION, str(report), *arguments]) == 1
    assert main(["session", "start", *arguments]) == 1
    assert main(["session", "start", "--urls", *arguments]) == 0
    out, error = capsys.readouterr()
    assert out.startswith("\\u202ea -> ")
    assert out.count("\\x1b[2J\\u202e") == 4
    assert len(out.splitlines()) == 4
    assert error.count("\\x1b[2J\\u202e") == 2
    assert not {*wild} & {"\x1b", "\u202e"} & {*(out + error)}


@pytest.mark.parametrize(
    ("name", "options"),
    [("upload", ["-r", "."]), ("upload", ["-r", ".", "--dry-run"]), ("attach", [*SAME]), ("drop", [*SAME])],
)
def test_of_files_with_one_name_none_is_sent(
    name: str,
    options: list[str],
    tmp_path: Path,
    anchor: LocalServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for path in SAME:
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    before = len(anchor.requests)
    assert main([name, SESSION, *options]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert all(part in one_line(error) for part in (*SAME, "rename one of them, or give `upload` --filename"))
    assert len(anchor.requests) == before


def test_a_dry_run_tells_what_would_be_sent_and_sends_nothing(
    session_id: str, report: Path, anchor: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(anchor.requests)
    assert main(["upload", session_id, str(report), str(report.parent / "missing"), "--dry-run"]) == 1
    out, error = capsys.readouterr()
    assert one_line(out) == f"{report} -> report.txt  11 bytes, text/plain\n"
    assert "missing' does not exist" in one_line(error)
    assert main(["upload", session_id, str(report), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "file": str(report),
        "name": "report.txt",
        "size": 11,
        "content_type": "text/plain",
    }
    assert len(anchor.requests) == before


@pytest.mark.parametrize(
    ("options", "attempts"),
    [([], 3), (["--retries", "0"], 1), (["--retries", "1", "--timeout", "30", "--deadline", "60"], 2)],
)
def test_upload_has_the_options_of_a_client(
    options: list[str], attempts: int, session_id: str, report: Path, anchor: LocalServer
) -> None:
    anchor.faults.add("upload_file", status=503, retry_after=0, times=3)
    try:
        assert main(["upload", session_id, str(report), *options]) == 1
    finally:
        anchor.faults.clear()
    assert [request.status for request in anchor.requests][-attempts - 1 :].count(503) == attempts


@pytest.mark.parametrize(
    ("options", "status", "requests"),
    [([], 1, 1), (["--retry-unknown"], 0, 2), (["--retry-unknown", "--retries", "0"], 1, 1)],
)
def test_what_may_have_been_saved_is_sent_again_only_if_that_is_asked_for(
    options: list[str], status: int, requests: int, raw_server: RawServer, report: Path
) -> None:
    def fall_silent(exchange: Exchange) -> None:
        exchange.read()
        exchange.wait(20)

    raw_server.script = [fall_silent, answer()]
    arguments = ["--timeout", "0.5", "--base-url", raw_server.base_url]
    assert main(["upload", SESSION, str(report), *arguments, *options]) == status
    assert len(raw_server.requests) == requests


@pytest.mark.parametrize("concurrency", [1, 3])
def test_as_many_files_are_under_way_as_asked_for(concurrency: int, raw_server: RawServer, tmp_path: Path) -> None:
    together = threading.Barrier(concurrency)

    def meet(exchange: Exchange) -> None:
        exchange.read()
        together.wait(20)
        exchange.reply(200, json.dumps(SAVED).encode())

    raw_server.script = [meet] * 6
    for index in range(6):
        (tmp_path / f"{index}.txt").write_bytes(b"x")
    arguments = ["--concurrency", str(concurrency), "--base-url", raw_server.base_url, "--retries", "0", "-q"]
    assert main(["upload", SESSION, "-r", str(tmp_path), *arguments]) == 0
    assert raw_server.connections == concurrency


@pytest.mark.parametrize(
    ("session", "key", "status"), [("8f2b0f6c-5d4c-4c76-9f6b-1f1f7f6f2a10", KEY, 4), (None, "another", 3)]
)
def test_what_every_further_file_would_meet_ends_it_at_the_first(
    session: str | None,
    key: str,
    status: int,
    session_id: str,
    tmp_path: Path,
    anchor: LocalServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for index in range(20):
        (tmp_path / f"{index}.txt").write_bytes(b"x")
    before = len(anchor.requests)
    monkeypatch.setenv("ANCHORBROWSER_API_KEY", key)
    arguments = ["-r", str(tmp_path), "--concurrency", "1", "--json"]
    assert main(["upload", session or session_id, *arguments]) == status
    out, error = capsys.readouterr()
    told = json.loads(one_line(out))["error"]["message"]
    assert error == f"0 uploaded, 1 failed, the others were not begun\nanchor-uploads: {told}\n"
    assert len(anchor.requests) == before + 1


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("sibling", [{}, {"status": 401}, {"status": 400}])
@pytest.mark.parametrize(("status", "expected"), [(401, 3), (403, 3), (404, 4)])
def test_what_every_further_file_would_meet_hides_no_end_of_one_that_was_begun(
    status: int,
    expected: int,
    sibling: dict[str, int],
    as_json: bool,
    session_id: str,
    tmp_path: Path,
    anchor: LocalServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for index in range(8):
        (tmp_path / f"{index}.txt").write_bytes(b"x")
    anchor.faults.add("upload_file", delay=0.5, **sibling)
    anchor.faults.add("upload_file", status=status)
    try:
        arguments = ["-r", str(tmp_path), "--concurrency", "2", *["--json"] * as_json]
        assert main(["upload", session_id, *arguments]) == expected
    finally:
        anchor.faults.clear()
    out, error = capsys.readouterr()
    *failed, summary, last = error.splitlines()
    uploaded = len(anchor.uploads(session_id))
    assert uploaded == (0 if sibling else 1)
    assert summary == f"{uploaded} uploaded, {2 - uploaded} failed, the others were not begun"
    assert f"failed with {status}" in last
    assert len(failed) == 1 - uploaded
    told = [*map(json.loads, out.splitlines())] if as_json else out.splitlines()
    assert len(told) == (2 if as_json else uploaded)
    if as_json:
        assert {"anchor-uploads: " + line["error"]["message"] for line in told if "error" in line} >= {last}


def test_upload_from_standard_input(
    session_id: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"from a pipe"), "utf-8"))
    assert main(["upload", session_id, "-", "--filename", "piped.txt", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["size"] == 11


def test_a_session_from_start_to_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["session", "start"]) == 0
    session_id = one_line(capsys.readouterr().out).strip()
    assert main(["session", "status", session_id]) == 0
    assert one_line(capsys.readouterr().out).strip()
    assert main(["session", "end", session_id]) == 0
    capsys.readouterr()
    assert main(["session", "status", session_id]) == 4
    assert session_id in one_line(capsys.readouterr().err)


def test_all_sessions_are_listed_and_ended(capsys: pytest.CaptureFixture[str]) -> None:
    with UploadClient() as client:
        client.end_all_sessions()
        made = [client.create_session().id for _ in range(2)]

    assert main(["session", "list"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{session_id}  running" for session_id in made]
    assert main(["session", "list", "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["id"], each["status"]) for each in told] == [(session_id, "running") for session_id in made]
    assert list(told[0]) == ["id", "status", "created_at"]
    assert main(["session", "end", "--all"]) == 0
    assert one_line(capsys.readouterr().out) == "ended all sessions\n"
    assert main(["session", "list"]) == 0
    assert capsys.readouterr().out == ""


def test_urls_that_hold_the_key_are_shown_on_request_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["session", "start", "--json"]) == 0
    assert list(json.loads(one_line(capsys.readouterr().out))) == ["id"]
    assert main(["session", "start", "--json", "--urls"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["id", "cdp_url", "live_view_url"]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["upload", "not-a-session-id", "file"], 2),
        (["upload", SESSION, "file", "--content-type", "none", "--base-url", "http://127.0.0.1:9"], 1),
        (["session", "status", SESSION], 4),
        (["session", "end", SESSION], 4),
        (["attach", SESSION, "file"], 4),
        (["drop", SESSION, "file"], 4),
        (["session", "start", "--base-url", "ftp://example.com"], 2),
        (["session", "start", "--base-url", "http://127.0.0.1:9"], 1),
    ],
)
def test_errors_are_one_line_with_the_documented_status(
    arguments: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == status
    out, error = capsys.readouterr()
    assert out == ""
    assert one_line(error).startswith("anchor-uploads: ")


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["upload", SESSION, "file", "--content-type", "none"], "; --content-type must look like 'text/plain'"),
        (["upload", SESSION, "file", "--filename", "a/b"], "; give `upload` --filename to send another"),
        (
            ["upload", SESSION, "folder"],
            "pass the files in it one by one (or pass -r, to `upload`), or an archive of it",
        ),
        (["upload", SESSION, "file", "--timeout", "0.2"], "or pass --retry-unknown where a second time does no harm"),
        (["session", "start", "--timeout", "0.2"], "or pass --retry-unknown where a second time does no harm"),
        (["session", "list", "--base-url", "ftp://here"], "check ANCHORBROWSER_BASE_URL or --base-url"),
    ],
)
def test_advice_names_options_that_there_are(
    arguments: list[str],
    advice: str,
    raw_server: RawServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fall_silent(exchange: Exchange) -> None:
        exchange.read()
        exchange.wait(20)

    raw_server.script = [fall_silent]
    monkeypatch.setenv("ANCHORBROWSER_BASE_URL", raw_server.base_url)
    monkeypatch.chdir(tmp_path)
    Path("file").write_bytes(b"x")
    Path("folder").mkdir()
    assert main(arguments) in (1, 2)
    assert advice in one_line(capsys.readouterr().err)


@pytest.mark.parametrize("name", ["two  blanks", " one  before and behind "])
@pytest.mark.parametrize("options", [[], ["--json"], ["--dry-run"]])
def test_an_error_names_the_file_as_it_is_called(
    options: list[str], name: str, session_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / name)
    assert main(["upload", session_id, path, *options]) == 1
    out, error = capsys.readouterr()
    told = json.loads(out)["error"]["message"] if "--json" in options else error
    assert f"{path!r} does not exist" in told


def test_an_error_of_several_lines_is_told_on_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise RuntimeError(" what  happened:\r\n\n    here \n")

    monkeypatch.setattr(UploadClient, "list_sessions", fail)
    assert main(["session", "list"]) == 1
    assert capsys.readouterr().err == "anchor-uploads: what  happened: here\n"


def test_a_wrong_key_is_not_repeated(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ANCHORBROWSER_API_KEY", "a-wrong-key")
    assert main(["session", "start"]) == 3
    assert "a-wrong-key" not in one_line(capsys.readouterr().err)


def test_without_a_key_it_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ANCHORBROWSER_API_KEY")
    assert main(["session", "start"]) == 2
    assert "set ANCHORBROWSER_API_KEY in the environment\n" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["upload"], "SESSION_ID"),
        (["upload", SESSION], "FILE"),
        (["upload", SESSION, "a", "b", "--filename", "c"], "--filename names one file, and these are 2"),
        (["upload", SESSION, "-"], "standard input has no name"),
        (["upload", SESSION, "a", "--deadline", "0"], "--deadline"),
        (["upload", SESSION, "a", "--timeout", "nan"], "--timeout"),
        (["attach", SESSION, "a", "--timeout", "inf"], "--timeout"),
        (["upload", SESSION, "a", "--concurrency", "0"], "--concurrency"),
        (["session", "end"], "--all"),
        (["session", "end", SESSION, "--all"], "--all"),
        (["session", "start", "--idle-timeout", "0"], "--idle-timeout"),
        (["session", "start", "--max-duration", "2.5"], "--max-duration"),
        (["attach", SESSION], "FILE"),
        (["demo", "--size-mib", "0"], "--size-mib"),
        (["serve", "--port", "x"], "--port"),
        (["serve", "--quiet", "--verbose"], "--verbose"),
        (["upladd"], "upladd"),
    ],
)
def test_misuse_is_status_2(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("Usage: anchor-uploads")
    assert told in error


def test_a_session_has_the_settings_it_was_started_with(
    anchor: LocalServer, raw_server: RawServer, capsys: pytest.CaptureFixture[str]
) -> None:
    raw_server.script = [answer(200, {"data": {"id": SESSION}})] * 2
    settings = ["--url", "https://example.com/", "--idle-timeout", "5", "--max-duration", "60"]
    assert main(["session", "start", "--base-url", raw_server.base_url, *settings]) == 0
    assert main(["session", "start", "--base-url", raw_server.base_url]) == 0
    asked = [json.loads(request.body or "{}", parse_float=str) for request in raw_server.requests]
    limits = {"idle_timeout": 5, "max_duration": 60}
    assert asked == [{"session": {"initial_url": "https://example.com/", "timeout": limits}}, {}]


@pytest.mark.parametrize(
    ("changes", "status", "marks"),
    [
        ({}, 0, ["ok  API key", "ok  proxy    none for", "ok  service"]),
        ({"ANCHORBROWSER_API_KEY": "another"}, 3, ["ok  API key", "ok  proxy", "no  service"]),
        ({"ANCHORBROWSER_API_KEY": None}, 2, ["no  settings"]),
        (
            {"ANCHORBROWSER_BASE_URL": "http://elsewhere.invalid", "HTTP_PROXY": "http://name:word@127.0.0.1:9"},
            1,
            ["ok  API key", "ok  proxy    the proxy http://127.0.0.1:9 that HTTP_PROXY names", "no  service"],
        ),
    ],
)
def test_doctor_tells_what_is_in_the_way_and_uploads_nothing(
    changes: dict[str, str | None],
    status: int,
    marks: list[str],
    anchor: LocalServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in changes.items():
        monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    before = len(anchor.requests)
    assert main(["doctor"]) == status
    out, error = capsys.readouterr()
    assert error == ""
    lines = out.splitlines()
    assert lines[0].startswith(f"anchor-uploads {__version__}, Python 3.")
    assert lines[1].startswith("httpx 0.")
    assert [line for line in lines[2:-1] if not any(line.startswith(mark) for mark in marks)] == []
    assert len(lines) == len(marks) + 3
    assert KEY not in out
    assert "word" not in out
    assert {request.method for request in anchor.requests[before:]} <= {"GET"}


@pytest.mark.parametrize("shell", ["fish", "zsh", pytest.param("bash", marks=needs_bash)])
def test_a_shell_is_told_how_to_complete(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert f"_ANCHOR_UPLOADS_COMPLETE={shell}_complete" in capsys.readouterr().out


def test_what_a_shell_asks_is_completed() -> None:
    asked = {"_ANCHOR_UPLOADS_COMPLETE": "zsh_complete", "COMP_WORDS": "anchor-uploads session st", "COMP_CWORD": "2"}
    done = command(env=asked)
    assert done.stdout.split() == [
        "plain",
        "start",
        "Start",
        "a",
        "session",
        "and",
        "print",
        "its",
        "id.",
        *(["plain", "status", "Print", "what", "the", "service", "says", "of", "a", "session."]),
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "70000"],
        ["--max-sessions", "0"],
        ["--host", "0.0.0.0"],
        ["--host", "\u00e4..b", "--allow-remote"],
        ["--host", "\u00e4" * 70, "--allow-remote"],
    ],
)
def test_what_the_server_cannot_be_told_is_status_2_and_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--no-browser", *arguments]) == 2
    assert arguments[0].removeprefix("--").replace("-", "_") in one_line(capsys.readouterr().err)


@pytest.mark.parametrize("ctrl_c", [signal.default_int_handler, signal.SIG_IGN])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"])
def test_ctrl_c_and_what_does_as_it_does_are_status_130(
    name: str, ctrl_c: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    number: int | None = getattr(signal, name, None)
    if number is None or (number == signal.SIGINT and ctrl_c is signal.SIG_IGN):
        pytest.skip("there is no such signal here")

    def interrupt(*_arguments: object, **_options: object) -> None:
        signal.raise_signal(number)

    monkeypatch.setattr(UploadClient, "create_session", interrupt)
    before = signal.getsignal(number), signal.signal(signal.SIGINT, ctrl_c)
    try:
        assert main(["session", "start"]) == 130
        if number != signal.SIGINT:
            assert signal.getsignal(number) is before[0]
    finally:
        signal.signal(signal.SIGINT, before[1])
    # Below the ^C that the terminal shows.
    assert capsys.readouterr().err == "\nanchor-uploads: interrupted\n"


def test_what_goes_wrong_because_of_an_interruption_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def cut_off(*_arguments: object, **_options: object) -> None:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        raise RuntimeError("the other end is gone")

    monkeypatch.setattr(UploadClient, "create_session", cut_off)
    assert main(["session", "start"]) == 130
    assert capsys.readouterr().err == "anchor-uploads: interrupted\n"


@needs_posix
def test_a_command_that_was_started_with_nohup_outlives_its_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    list_sessions = UploadClient.list_sessions

    def close_the_terminal(client: UploadClient) -> Any:
        signal.raise_signal(signal.SIGHUP)
        return list_sessions(client)

    monkeypatch.setattr(UploadClient, "list_sessions", close_the_terminal)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert main(["session", "list"]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("name", ["SIGINT", pytest.param("SIGTERM", marks=needs_posix)])
def test_ctrl_c_in_the_midst_tells_what_was_done(name: str, raw_server: RawServer, tmp_path: Path) -> None:
    waiting = threading.Event()

    def stall(exchange: Exchange) -> None:
        exchange.read()
        waiting.set()
        # What is out whole may have been saved, and its answer is waited for.
        exchange.wait(1)
        exchange.reset()

    raw_server.script = [answer(), stall]
    for letter in "abc":
        (tmp_path / letter).write_bytes(b"x")
    arguments = ["upload", SESSION, "-r", str(tmp_path), "--concurrency", "1", "--base-url", raw_server.base_url]
    # As from a terminal, also where this one was started with signals ignored.
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from anchor_uploads.cli import main; sys.exit(main())"
    line = [sys.executable, "-c", code, *arguments]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert waiting.wait(60)
    process.send_signal(getattr(signal, name))
    out, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert one_line(out).startswith("a -> ")
    assert error.splitlines()[-1].startswith("anchor-uploads: interrupted; 1 uploaded, 1 failed, ")
    assert "Traceback" not in error


@needs_posix
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_keep_no_file_from_being_sent(
    closed: str, session_id: str, tmp_path: Path, anchor: LocalServer
) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(name.encode())
    line = f"{shlex.join([*COMMAND, 'upload', session_id, '-r', str(tmp_path)])} {closed}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert {file.name: file.read_bytes() for file in anchor.uploads(session_id)} == {"a": b"a", "b": b"b"}
    if ">&-" not in closed.split():
        assert len(done.stdout.splitlines()) == 2
    assert "Traceback" not in done.stderr


@contextmanager
def unread() -> Iterator[int]:
    """A pipe whose other end is closed."""
    theirs, ours = os.pipe()
    os.close(theirs)
    yield ours
    os.close(ours)


@needs_posix
def test_an_output_that_nobody_reads_any_more_is_no_traceback() -> None:
    line = [*COMMAND, "completion", "zsh"]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with unread() as stdout:
        done = subprocess.run(
            line, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60, check=False, env=buffered
        )
    assert (done.returncode, done.stderr) == (1, "")


@needs_posix
@pytest.mark.parametrize(
    ("arguments", "status", "uploaded"),
    [
        (["upload", "{session}", "a", "b"], 0, {"a", "b"}),
        (["upload", "{session}", "missing", "a", "b", "--concurrency", "1"], 1, {"a", "b"}),
        (["upload", "--nonsense"], 2, set()),
        (["session", "status", "no session's id"], 2, set()),
        (["session", "status", SESSION], 4, set()),
    ],
)
def test_complaints_that_nobody_hears_change_neither_the_status_nor_what_is_done(
    arguments: list[str], status: int, uploaded: set[str], session_id: str, tmp_path: Path, anchor: LocalServer
) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(b"")
    line = [*COMMAND, *(each.format(session=session_id) for each in arguments)]
    with unread() as stderr:
        done = subprocess.run(line, cwd=tmp_path, stdout=subprocess.PIPE, stderr=stderr, timeout=60, check=False)
    assert done.returncode == status
    assert len(done.stdout.splitlines()) == len(uploaded)
    assert {file.name for file in anchor.uploads(session_id)} == uploaded


class Unwritable(io.RawIOBase):
    """A file that takes nothing, and says why."""

    def writable(self) -> bool:
        return True

    def write(self, block: Any, /) -> int:
        if self.why:
            raise OSError(self.why, os.strerror(self.why))
        return len(block)

    def fileno(self) -> int:
        return self.descriptor

    def __init__(self, descriptor: int, why: int) -> None:
        self.descriptor, self.why = descriptor, why


@contextmanager
def unwritable(why: int, path: Path) -> Iterator[None]:
    """Have a stdout that takes nothing. path: of a file to be made, whose place it takes."""
    with path.open("wb") as stands_in, pytest.MonkeyPatch.context() as patch:
        stream = Unwritable(stands_in.fileno(), why)
        patch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(stream), encoding="utf-8"))
        yield
        # What Python would write at its end goes nowhere.
        assert os.path.samestat(os.fstat(stands_in.fileno()), os.stat(os.devnull))
        stream.why = 0


# A pipe whose other end is closed, on POSIX and on Windows, and a file on a disk that is full.
WHYS = [errno.EPIPE, errno.EINVAL, errno.ENOSPC]


@pytest.mark.parametrize("why", WHYS)
@pytest.mark.parametrize("arguments", [["completion", "zsh"], ["session", "status", "{session}"]])
def test_what_was_only_looked_at_is_missed_by_nobody_who_has_stopped_reading(
    arguments: list[str], why: int, session_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with unwritable(why, tmp_path / "out"):
        assert main([each.format(session=session_id) for each in arguments]) == 1
    error = capsys.readouterr().err
    if why == errno.ENOSPC:
        assert one_line(error).startswith(f"anchor-uploads: stdout cannot be written ({os.strerror(why)}); ")
    else:
        assert error == ""


@pytest.mark.parametrize("why", WHYS)
def test_what_was_done_is_told_though_stdout_does_not_take_it(
    why: int, session_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "files").mkdir()
    for name in "abc":
        (tmp_path / "files" / name).write_bytes(b"")
    with unwritable(why, tmp_path / "out"):
        assert main(["upload", session_id, "-r", str(tmp_path / "files"), "--concurrency", "1"]) == 1
    with unwritable(why, tmp_path / "out"):
        assert main(["session", "start", "--urls"]) == 1
    *told, summary, started = capsys.readouterr().err.splitlines()
    assert all(line.startswith("anchor-uploads: stdout cannot be written (") for line in [*told, started])
    assert [line.partition("it was to say: ")[2].partition(" -> ")[0] for line in told] == ["a", "b", "c"]
    assert summary == "3 uploaded, 0 failed"
    with UploadClient() as client:
        client.end_session(started.partition("it was to say: ")[2])


@needs_posix
def test_what_is_opened_next_takes_no_place_of_a_closed_stream(tmp_path: Path) -> None:
    code = (
        "import os, sys; from anchor_uploads.cli import main; main(['--version'])\n"
        "null = os.stat(os.devnull)\n"
        "same = [os.path.samestat(os.fstat(number), null) for number in range(3)]\n"
        "open(sys.argv[1], 'w').write(repr(same))"
    )
    line = f"{shlex.join([sys.executable, '-c', code, str(tmp_path / 'told')])} <&- >&- 2>&-"
    subprocess.run(["sh", "-c", line], timeout=60, check=True)
    assert (tmp_path / "told").read_text() == "[True, True, True]"


@needs_posix
def test_a_closed_standard_input_is_one_line(session_id: str) -> None:
    line = f"{shlex.join([*COMMAND, 'upload', session_id, '-', '--filename', 'a'])} <&-"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "standard input is closed" in one_line(done.stderr)


@pytest.mark.parametrize(
    "variables", [{"PYTHONIOENCODING": "cp1252"}, {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}, {}]
)
def test_a_name_that_the_output_cannot_write_stops_nothing(
    variables: dict[str, str], session_id: str, tmp_path: Path, anchor: LocalServer
) -> None:
    names = ["a\u65e5\u672c.txt", "b\u202e.txt", "c.txt"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    # Of a clone whose own path has other letters, Python cannot read the .pth file in an ASCII locale; so without site.
    variables["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = command("upload", session_id, "-r", str(tmp_path), env=variables, python=[sys.executable, "-S"])
    assert (done.returncode, done.stderr) == (0, "3 uploaded, 0 failed\n")
    assert len(done.stdout.splitlines()) == 3
    assert {file.name for file in anchor.uploads(session_id)} == set(names)


@needs_posix
@pytest.mark.parametrize(
    ("width", "variables", "drawn", "coloured"),
    [
        (100, {}, True, True),
        (20, {}, True, True),
        (100, {"NO_COLOR": "1"}, True, False),
        (100, {"TERM": "dumb"}, False, False),
    ],
)
def test_on_a_terminal_there_are_bars_and_lines_that_can_be_copied(
    width: int,
    variables: dict[str, str],
    drawn: bool,
    coloured: bool,
    session_id: str,
    tmp_path: Path,
    anchor: LocalServer,
) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(bytes(500))
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    line = [*COMMAND, "upload", session_id, "-r", str(tmp_path)]
    shown = on_a_terminal(line, width, {**clean, "TERM": "xterm-256color", **variables})
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in re.split("[\r\n]+", shown)]
    for file in anchor.uploads(session_id):
        assert any(line.startswith(f"{file.name} -> {file.path}  500 bytes in ") for line in lines)
    assert any(line.startswith("2 of") for line in lines) is drawn
    assert (re.search(r"\x1b\[[0-9;]*3\dm", shown) is not None) is coloured
    assert "2 uploaded, 0 failed" in lines
    if drawn:
        # The cursor is there again.
        assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


@needs_posix
def test_on_a_terminal_too_quiet_leaves_the_errors_and_what_json_is_asked_for(session_id: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"x")
    paths = [str(tmp_path / name) for name in ("a.txt", "missing")]
    line = ["sh", "-c", '"$@"; test $? -eq 1', "sh", *COMMAND, "upload", session_id, *paths, "--quiet"]
    complaint = f"anchor-uploads: {paths[1]}: {paths[1]!r} does not exist"
    variables = {**os.environ, "TERM": "xterm-256color"}
    assert on_a_terminal(line, 100, variables).split("\r\n") == [complaint, ""]
    lines = on_a_terminal([*line, "--json"], 100, variables).split("\r\n")[:-1]
    assert sorted(json.loads(line)["file"] for line in lines if line.startswith("{")) == paths
    assert [line for line in lines if not line.startswith("{")] == [complaint]


@needs_posix
def test_what_does_as_ctrl_c_gives_a_terminal_its_cursor_back(raw_server: RawServer, report: Path) -> None:
    def stall(exchange: Exchange) -> None:
        exchange.wait(1)
        exchange.reset()

    raw_server.script = [stall]
    # With a signal as soon as a bar is drawn.
    code = (
        "import os, signal, sys; from anchor_uploads.cli import main; from anchor_uploads.progress import ProgressBar\n"
        "signals, draw = [signal.SIGTERM], ProgressBar.__call__\n"
        "def call(bar, progress):\n    draw(bar, progress)\n    while signals: os.kill(os.getpid(), signals.pop())\n"
        "ProgressBar.__call__ = call; sys.exit(main() - 130)"
    )
    line = [sys.executable, "-c", code, "upload", SESSION, str(report), "--base-url", raw_server.base_url]
    shown = on_a_terminal(line, 100, {**os.environ, "TERM": "xterm-256color"})
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert one_line(capsys.readouterr().out).startswith("anchor-uploads 0.")


@pytest.mark.parametrize(
    ("missing", "arguments", "extra"),
    [
        ("uvicorn", ["serve", "--no-browser"], "local"),
        ("uvicorn", ["demo"], "local"),
        ("click", ["session", "list"], "cli"),
        ("rich", ["upload", SESSION, "file"], "cli"),
        ("playwright", ["attach", SESSION, "file"], "playwright"),
        ("playwright", ["drop", SESSION, "file"], "playwright"),
    ],
)
def test_without_the_extra_it_says_what_to_install(
    missing: str, arguments: list[str], extra: str, tmp_path: Path
) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from anchor_uploads.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert f'pip install "anchor-uploads[{extra}]"' in one_line(done.stderr)


def test_help_tells_how_many_sessions_a_server_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--help"]) == 0
    with_browsers, without = (Options(browser=browser).sessions_at_once for browser in (True, False))
    told = " ".join(capsys.readouterr().out.split())
    assert f"(default: {with_browsers}, or {without:,} without browsers)" in told


def test_help_imports_neither_httpx_nor_what_it_does_not_need() -> None:
    code = (
        "import sys\nfrom anchor_uploads.cli import main\nmain(['--help'])\n"
        "assert not {'httpx', 'rich', 'starlette', 'playwright', 'pydantic'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, timeout=30)


def test_each_command_and_option_is_explained() -> None:
    from anchor_uploads.cli.commands import app

    commands = [app]
    for each in commands:
        assert each.help, each.name
        commands += getattr(each, "commands", {}).values()
        assert [option.name for option in each.params if isinstance(option, click.Option) and not option.help] == []
    assert len(commands) > 12
