"""The command `anchor-uploads`, in this process, against a local Anchor without browsers."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from anchor_uploads import UploadClient
from anchor_uploads.cli import main
from anchor_uploads.local import LocalServer

KEY = "a-key-that-must-not-be-shown"


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
    assert main(["upload", session_id, str(report)]) == 0
    out, error = capsys.readouterr()
    assert one_line(out).startswith("report.txt -> ")
    assert "/uploads/report.txt  11 bytes in " in out.replace("\\", "/")
    assert error == ""


def test_upload_as_json(session_id: str, report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--json", "--filename", "other.bin", "--content-type", "text/x-mine"]
    assert main(["upload", session_id, str(report), *arguments]) == 0
    told = json.loads(one_line(capsys.readouterr().out))
    assert told["file"] == str(report)
    assert (told["name"], told["size"], told["content_type"]) == ("other.bin", 11, "text/x-mine")
    assert Path(told["path"]).read_bytes() == b"eleven byte"


def test_upload_goes_on_after_a_file_that_fails(
    session_id: str, report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(2000))
    paths = [str(tmp_path / "missing"), str(large), str(report)]
    assert main(["upload", session_id, *paths, "--json"]) == 1
    out, error = capsys.readouterr()
    told = [json.loads(line) for line in out.splitlines()]
    assert [line["file"] for line in told] == paths
    assert [line.get("error", {}).get("type") for line in told] == ["SourceError", "FileTooLarge", None]
    assert len(error.splitlines()) == 2
    assert KEY not in error


def test_upload_from_standard_input(
    session_id: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"from a pipe")))
    assert main(["upload", session_id, "-", "--filename", "piped.txt", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["size"] == 11


def test_a_session_from_start_to_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["session", "start"]) == 0
    session_id = one_line(capsys.readouterr().out).strip()
    assert main(["session", "status", session_id]) == 0
    assert one_line(capsys.readouterr().out).strip()
    assert main(["session", "end", session_id]) == 0
    capsys.readouterr()
    assert main(["session", "status", session_id]) == 1
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
        (["upload", "8f2b0f6c-5d4c-4c76-9f6b-1f1f7f6f2a10", "a", "b", "--filename", "c"], 2),
        (["session", "status", "8f2b0f6c-5d4c-4c76-9f6b-1f1f7f6f2a10"], 1),
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


def test_a_wrong_key_is_not_repeated(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ANCHORBROWSER_API_KEY", "a-wrong-key")
    assert main(["session", "start"]) == 1
    assert "a-wrong-key" not in one_line(capsys.readouterr().err)


def test_without_a_key_it_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ANCHORBROWSER_API_KEY")
    assert main(["session", "start"]) == 2
    assert "ANCHORBROWSER_API_KEY" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["upload"],
        ["session"],
        ["session", "end"],
        ["session", "end", "8f2b0f6c-5d4c-4c76-9f6b-1f1f7f6f2a10", "--all"],
        ["demo", "--size-mib", "0"],
        ["serve", "--port", "x"],
    ],
)
def test_misuse_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: anchor-uploads" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--port", "70000"], ["--max-sessions", "0"], ["--host", "0.0.0.0"]])
def test_what_the_server_cannot_be_told_is_status_2_and_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--no-browser", *arguments]) == 2
    assert arguments[0].removeprefix("--").replace("-", "_") in one_line(capsys.readouterr().err)


def test_ctrl_c_is_status_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(UploadClient, "create_session", interrupt)
    assert main(["session", "start"]) == 130
    one_line(capsys.readouterr().err)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert one_line(capsys.readouterr().out).startswith("anchor-uploads 0.")


@pytest.mark.parametrize("command", [["serve", "--no-browser"], ["demo"]])
def test_without_the_extra_it_says_what_to_install(command: list[str], tmp_path: Path) -> None:
    code = "import sys; sys.modules['uvicorn'] = None; from anchor_uploads.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, *command], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert 'pip install "anchor-uploads[local]"' in one_line(done.stderr)


def test_help_imports_neither_httpx_nor_an_extra() -> None:
    code = (
        "import sys\nfrom anchor_uploads.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'httpx', 'rich', 'starlette', 'playwright', 'pydantic'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, timeout=30)
