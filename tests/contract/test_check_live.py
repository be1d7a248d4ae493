"""`scripts/check-live`, against the local Anchor as it is and as it must not be."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from anchor_uploads import AttachError, Session, UploadClient, UploadedFile
from anchor_uploads.local import LocalServer, find_browser
from anchor_uploads.local.http import app
from live_check.__main__ import KEY, main
from live_check.attaching import NotTried, attach_in_page
from live_check.run import NAMES
from support.raw_server import RawServer, answer

SECRET = "sk-a+key/of=the&tests"


@dataclass
class Outcome:
    """What the command printed and wrote, and how it ended."""

    status: int
    out: str
    err: str
    document: dict[str, Any]

    def finding(self, name: str) -> dict[str, Any]:
        (found,) = (finding for finding in self.document["findings"] if finding["name"] == name)
        assert isinstance(found, dict)
        return found

    def verdicts(self, verdict: str) -> set[str]:
        return {finding["name"] for finding in self.document["findings"] if finding["verdict"] == verdict}


Check = Callable[..., Outcome]


def started(root: Path, *arguments: str, **told: str) -> subprocess.Popen[str]:
    places = [str(root / "scripts"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [sys.executable, "-X", "utf8", "-W", "error", "-m", "live_check", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places), **told},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def no_page(_session: Session, _uploaded: UploadedFile) -> str:
    raise NotTried("this test needs no browser")


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Check]:
    """Runs the command against a local Anchor, whose settings can be given."""
    sessions = tmp_path / "sessions"
    # Wide enough that nothing which is looked for is broken into lines, whatever runs the tests.
    monkeypatch.setenv("COLUMNS", "200")
    if os.name == "nt":
        # Where the local Anchor stores it, such a name cannot be.
        monkeypatch.setitem(NAMES, "quoted name", "a 'quoted' name.txt")
    with ExitStack() as servers:

        def run(*, attach: Any = no_page, browser: bool = False, large: int = 2, **settings: Any) -> Outcome:
            anchor = servers.enter_context(LocalServer(browser=browser, api_key=SECRET, directory=sessions, **settings))
            monkeypatch.setenv(KEY, SECRET)
            report = tmp_path / "report.json"
            arguments = ["--base-url", anchor.base_url, "--json", str(report), "--large-mib", str(large)]
            status = main(arguments, attach=attach)
            out, err = capfd.readouterr()
            outcome = Outcome(status, out, err, json.loads(report.read_text("utf-8")))
            assert SECRET not in out + err + json.dumps(outcome.document)
            return outcome

        yield run
        # Whatever came of it, no session is left behind.
        assert [path for path in sessions.glob("*/*") if path.is_dir()] == []


def test_the_local_anchor_contradicts_nothing(check: Check) -> None:
    outcome = check()

    assert outcome.status == 0, outcome.out
    assert outcome.document["counts"] == {"agrees": 16, "open": 0, "contradicts": 0, "not tried": 1}
    assert outcome.verdicts("not tried") == {"attach to a page"}
    assert "this test needs no browser" in outcome.out
    assert outcome.finding("unknown session")["shape"] == "{error: {error: {code: integer, message: string}}}"
    assert outcome.finding("no file in the form")["status"] == 400
    assert outcome.finding("Unicode name")["path"].endswith("naïve 文件 😀.txt")
    answers = outcome.document["answers"]
    assert answers["a second file of one name"] == "replaces the first"
    assert answers["where a file lies"].startswith("at the path that the message tells, under the name as it was sent")
    assert answers["answers that the contract does not have"] == "none"
    for text in ("documented", "observed", "quoted name", "404 {error: {error:", "0 contradictions in 17 situations"):
        assert text in outcome.out


def test_without_rich_the_table_is_plain(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setenv("COLUMNS", "100")

    outcome = check()

    assert outcome.status == 0
    assert "┃" not in outcome.out
    table = outcome.out.partition("What the contract leaves open")[0].splitlines()
    assert max(map(len, table)) <= 100
    (line,) = (line for line in table if line.startswith("look at the session"))
    assert line.split("  ")[-1].strip() == "agrees"


def test_a_limit_of_the_service_is_told(check: Check) -> None:
    outcome = check(max_upload_bytes=1024 * 1024)

    assert outcome.status == 0
    assert outcome.finding("large file")["status"] == 400
    assert "file too large: at most 1048576 bytes" in outcome.document["answers"]["a large file"]


def refuse(status: int, body: object) -> Callable[..., Response]:
    return lambda *_arguments: JSONResponse(body, status)


SAVED = {"data": {"status": "success", "message": "File saved at /uploads/a"}}
# What the server says instead, where the contradiction must show, and the words it must show in.
LIES: dict[str, tuple[dict[str, Callable[..., Response]], str, str]] = {
    "another success": ({"uploaded": refuse(201, SAVED)}, "one byte", "201 is not what the contract answers this with"),
    "a list for an object": ({"uploaded": refuse(200, {"data": ["saved"]})}, "one byte", "is not of type 'object'"),
    "a number for a text": (
        {"uploaded": refuse(200, {"data": {"message": 7}})},
        "one byte",
        "message: 7 is not",
    ),
    "another envelope": (
        {"upload_session_not_found": refuse(404, {"error": {"code": 404, "message": "none"}})},
        "unknown session",
        "body.error has 'code', 'message' and not 'error'",
    ),
    "another property": ({"uploaded": refuse(200, {"result": "saved"})}, "one byte", "has 'result' and not 'data'"),
    "no JSON": ({"uploaded": lambda _: Response("saved", media_type="application/json")}, "one byte", "is not JSON"),
    "another media type": (
        {"uploaded": lambda _: PlainTextResponse(json.dumps(SAVED))},
        "one byte",
        "said to be text/plain, not application/json",
    ),
    "success for nobody": ({"upload_session_not_found": refuse(200, SAVED)}, "unknown session", "200 is not what"),
    "success for nothing": ({"upload_refused": refuse(200, SAVED)}, "no file in the form", "200 is not what"),
    "an error for a file": ({"uploaded": refuse(500, {"error": {"error": {}}})}, "quoted name", "500 is not what"),
    "a state that is none": (
        {"session_status": refuse(200, {"data": None})},
        "end the session",
        "the wrapper says",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_contradiction_is_told_and_fails(check: Check, lie: str, monkeypatch: pytest.MonkeyPatch) -> None:
    replies, situation, text = LIES[lie]
    for name, reply in replies.items():
        monkeypatch.setattr(app.replies, name, reply)

    outcome = check()

    assert outcome.status == 1
    finding = outcome.finding(situation)
    assert finding["verdict"] == "contradicts"
    assert text in "\n".join(finding["notes"])
    assert f"contradicts  {situation}" in outcome.err
    assert "0 contradictions" not in outcome.out


def test_what_the_contract_leaves_open_is_told_and_does_not_fail(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.replies, "error", lambda status, message, headers=None: JSONResponse({}, status + 2))

    outcome = check()

    assert outcome.status == 0
    assert outcome.verdicts("open") == {"wrong key", "look at the ended session"}
    assert outcome.finding("wrong key")["status"] == 403
    assert "403 is not documented for POST" in " ".join(outcome.finding("wrong key")["notes"])
    assert outcome.document["answers"]["answers that the contract does not have"] == (
        "403 (wrong key), 406 (look at the ended session)"
    )


def test_what_is_not_documented_is_a_note(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    more = {"data": {**SAVED["data"], "size": 1}, "trace": "x"}
    monkeypatch.setattr(app.replies, "uploaded", refuse(200, more))

    outcome = check()

    assert outcome.status == 0
    assert outcome.finding("one byte")["notes"] == ["not documented: body.trace, body.data.size"]
    assert "not always where the message seems to say" in outcome.document["answers"]["where a file lies"]


def test_the_key_is_never_shown(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    def echo(_text: str) -> Response:
        return JSONResponse({"data": {"status": SECRET, "message": f"saved for {SECRET}", SECRET: 1}})

    monkeypatch.setattr(app.replies, "uploaded", echo)
    monkeypatch.setattr(app.replies, "session_status", lambda _: PlainTextResponse(SECRET))
    monkeypatch.setenv("COLUMNS", "80")

    outcome = check()

    assert outcome.finding("one byte")["message"] == "saved for …"


def test_a_file_that_the_page_does_not_get_is_a_contradiction(check: Check) -> None:
    def fail(_session: Session, _uploaded: UploadedFile) -> str:
        raise AttachError("the page has 0 bytes")

    outcome = check(attach=fail)

    assert outcome.status == 1
    assert outcome.verdicts("contradicts") == {"attach to a page"}
    assert "the page has 0 bytes" in outcome.out


def test_a_file_is_attached_in_a_browser(check: Check) -> None:
    pytest.importorskip("playwright")
    if find_browser() is None:
        pytest.skip("no Chrome, Chromium or Edge here; set ANCHOR_UPLOADS_BROWSER to run this")

    outcome = check(attach=attach_in_page, browser=True, large=60)

    assert outcome.status == 0, outcome.out
    assert outcome.finding("attach to a page")["observed"] == f"the page has 'large.bin' with {60 * 1024 * 1024} bytes"


def test_a_session_without_a_browser_is_said_to_have_none(check: Check) -> None:
    pytest.importorskip("playwright")

    outcome = check(attach=attach_in_page)

    assert outcome.status == 0
    assert outcome.verdicts("not tried") == {"attach to a page"}
    assert "the session's browser cannot be driven" in " ".join(outcome.finding("attach to a page")["notes"])


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_the_session_is_ended_when_the_check_breaks_off(check: Check, stop: type[BaseException]) -> None:
    def break_off(_session: Session, _uploaded: UploadedFile) -> str:
        raise stop

    with pytest.raises(stop):
        check(attach=break_off)


def test_a_second_signal_does_not_keep_the_session_from_being_ended(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_session = UploadClient.end_session

    def press(*_arguments: object) -> str:
        signal.raise_signal(signal.SIGINT)
        return "went on"

    def end_pressed(client: UploadClient, session: str) -> None:
        press()
        end_session(client, session)

    monkeypatch.setattr(UploadClient, "end_session", end_pressed)
    with pytest.raises(KeyboardInterrupt):
        check(attach=press)


@pytest.mark.skipif(os.name == "nt", reason="uses POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("reply", "words"),
    [("session_started", ""), ("uploaded", "large.bin")],
    ids=["while the session starts", "while the large file is uploaded"],
)
def test_a_signal_ends_the_session_and_leaves_nothing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, reply: str, words: str
) -> None:
    answered = getattr(app.replies, reply)

    def answered_late(*arguments: Any, **more: Any) -> Response:
        if words in str(arguments):
            process.send_signal(number)
            time.sleep(0.3)
        response: Response = answered(*arguments, **more)
        return response

    monkeypatch.setattr(app.replies, reply, answered_late)
    with LocalServer(browser=False, api_key=SECRET, directory=tmp_path / "sessions") as anchor:
        (tmp_path / "temporary").mkdir()
        told = {KEY: SECRET, "ANCHORBROWSER_BASE_URL": anchor.base_url, "TMPDIR": str(tmp_path / "temporary")}
        process = started(root, "--large-mib", "2", **told)
        out, err = process.communicate(timeout=60)
        left = [path for path in tmp_path.glob("sessions/*/*") if path.is_dir()]
    assert (process.returncode, out, err.splitlines()[-1]) == (130, "", "interrupted"), err
    assert "Traceback" not in err
    assert [*left, *tmp_path.glob("temporary/*")] == []


def failed(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    try:
        status: object = main([*arguments])
    except SystemExit as exit_:
        status = exit_.code
    assert status == 2
    out, err = capfd.readouterr()
    assert out == ""
    return err


def test_what_cannot_be_checked_is_said(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert f"set {KEY} in the environment" in failed(capfd)
    monkeypatch.setenv(KEY, SECRET)
    assert "invalid" in failed(capfd, "--large-mib", "0")
    assert "must look like https://" in failed(capfd, "--base-url", "nowhere")
    missing = tmp_path / "none" / "report.json"
    for file in (missing, tmp_path):
        assert f"{file} cannot be written" in failed(capfd, "--base-url", "http://127.0.0.1:9", "--json", str(file))
    with RawServer() as closed:
        base_url = closed.base_url
    assert "no session could be started" in failed(capfd, "--base-url", base_url)
    with RawServer() as server:
        server.script = [answer(402, {"error": {"code": 402, "message": f"{SECRET} has no plan"}})]
        err = failed(capfd, "--base-url", server.base_url)
    assert "… has no plan. Check the key" in err
    assert SECRET not in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file that is always full")
def test_findings_that_cannot_be_written_are_shown_all_the_same(root: Path, tmp_path: Path) -> None:
    with LocalServer(browser=False, api_key=SECRET, directory=tmp_path) as anchor:
        told = {KEY: SECRET, "ANCHORBROWSER_BASE_URL": anchor.base_url}
        process = started(root, "--large-mib", "2", "--json", "/dev/full", **told)
        out, err = process.communicate(timeout=60)
    assert "0 contradictions in 17 situations" in out
    assert (process.returncode, err.splitlines()[-1]) == (
        2,
        "check-live: /dev/full cannot be written (No space left on device); name another file with --json",
    )


@pytest.mark.parametrize(
    ("terminal", "variables", "coloured"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {}, False),
        (False, {"FORCE_COLOR": "1"}, True),
    ],
)
def test_there_are_colours_where_the_environment_and_the_terminal_want_them(
    terminal: bool, variables: dict[str, str], coloured: bool, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm-256color", **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    assert (re.search(r"\x1b\[[0-9;]*3\dm", check().out) is not None) is coloured


def test_the_command_runs_by_itself(root: Path) -> None:
    process = started(root, "--help")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "Exit status: 0 nothing contradicts" in " ".join(out.split())
