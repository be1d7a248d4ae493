"""`anchor-uploads demo`, as its own process: what it shows, and what it leaves behind."""

from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from anchor_uploads.local import LocalServer, find_browser
from recording.terminal import on_a_terminal

needs_browser = pytest.mark.skipif(find_browser() is None, reason="no Chrome, Chromium or Edge here")


class Demo:
    def __init__(self, folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.output = folder / "output"
        temporary = dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(self.temporary))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "anchor_uploads", "demo", "--output", str(self.output), *arguments],
            env={**os.environ, **temporary, "PYTHONUTF8": "1", **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            # As from a terminal, where Ctrl-C reaches all of a group.
            start_new_session=True,
        )

    def finish(self) -> tuple[int, str]:
        try:
            text, _ = self.process.communicate(timeout=100)
        except subprocess.TimeoutExpired:
            for process in [*psutil.Process(self.process.pid).children(recursive=True), self.process]:
                process.kill()
            text, _ = self.process.communicate()
            pytest.fail(f"the demo did not end:\n{text}")
        return self.process.returncode, text


def hashes(text: str) -> list[str]:
    return re.findall(r"SHA-256 .* ([0-9a-f]{64})$", text, re.MULTILINE)


def size_of_png(path: Path) -> tuple[int, int]:
    start = path.read_bytes()[:24]
    assert start.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", start[16:])
    return width, height


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not pytest's own: Chromium makes a socket in the temporary directory, and the path of one must be short.
    with tempfile.TemporaryDirectory(prefix="demo-") as name:
        yield Path(name)


@needs_browser
def test_the_bytes_that_arrive_are_the_file_s(folder: Path) -> None:
    demo = Demo(folder, "--size-mib", "52")
    status, text = demo.finish()
    assert status == 0, text
    sent, received = hashes(text)
    assert sent == received
    assert "52.0 MiB" in text
    assert "Playwright's own set_input_files refuses: 'Cannot transfer files larger than 50Mb" in text
    picture = demo.output / "anchor-uploads-demo.png"
    assert str(picture) in text
    assert size_of_png(picture) == (1120, 760)
    assert picture.stat().st_size > 20_000
    assert list(demo.temporary.iterdir()) == []


@needs_browser
def test_live_takes_the_service_from_the_environment_and_hashes_in_the_page(folder: Path) -> None:
    with LocalServer() as service:
        env = {"ANCHORBROWSER_API_KEY": service.api_key, "ANCHORBROWSER_BASE_URL": service.base_url}
        status, text = Demo(folder, "--live", "--size-mib", "3", env=env).finish()
    assert status == 0, text
    sent, received = hashes(text)
    assert sent == received
    assert "SHA-256 in the page" in text
    assert service.api_key not in text


@needs_browser
@pytest.mark.parametrize("below", [[], ["sub", "folder"]])
def test_where_no_picture_can_go_nothing_is_begun(folder: Path, below: list[str]) -> None:
    (folder / "output").write_bytes(b"")
    demo = Demo(folder, "--output", str(folder.joinpath("output", *below)))
    status, text = demo.finish()
    assert (status, text.count("\n")) == (2, 1), text
    assert f"--output: {str(folder / 'output')!r} is no directory" in text


@needs_browser
@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="all may write everywhere")
def test_a_directory_that_cannot_be_written_to_is_refused_at_once(folder: Path) -> None:
    (folder / "output").mkdir(mode=0o500)
    status, text = Demo(folder).finish()
    assert (status, text.count("\n")) == (2, 1), text


def test_without_a_browser_it_shows_the_rest_and_says_how_to_get_one(folder: Path) -> None:
    status, text = Demo(folder, "--size-mib", "3", env={"ANCHOR_UPLOADS_BROWSER": "/nonexistent"}).finish()
    assert status == 0, text
    sent, stored = hashes(text)
    assert sent == stored
    assert "Not shown: the browser" in text
    assert "playwright install chromium" in text


def test_what_a_killed_demo_has_left_the_next_server_removes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = Demo(folder, "--size-mib", "500", env={"ANCHOR_UPLOADS_BROWSER": "/nonexistent"})
    assert demo.process.stdout
    # The file is made next, which takes seconds.
    assert any("its API is at" in line for line in demo.process.stdout)
    demo.process.kill()
    demo.finish()
    assert [path for path in demo.temporary.iterdir() if path.name.startswith("anchor-uploads-demo-")]
    monkeypatch.setattr(tempfile, "tempdir", str(demo.temporary))
    with LocalServer(browser=False):
        pass
    assert list(demo.temporary.iterdir()) == []


def test_bytes_that_differ_are_status_1(folder: Path) -> None:
    code = (
        "import sys; from anchor_uploads.cli import main; from anchor_uploads.cli.demo import show;"
        "show._hash = lambda path: '0' * 64; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "demo", "--size-mib", "1", "--output", str(folder)],
        env={**os.environ, "ANCHOR_UPLOADS_BROWSER": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "DIFFERENT" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="a terminal of POSIX")
@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_on_a_terminal_the_verdict_has_a_colour_unless_none_is_wanted(
    variables: dict[str, str], coloured: bool, folder: Path
) -> None:
    clean = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    line = [sys.executable, "-m", "anchor_uploads", "demo", "--size-mib", "1", "--output", str(folder)]
    shown = on_a_terminal(line, 100, {**clean, "ANCHOR_UPLOADS_BROWSER": "/nonexistent", **variables})
    assert ("mequal: every byte arrived\x1b[0m" in shown) is coloured


@needs_browser
@pytest.mark.skipif(os.name == "nt", reason="uses POSIX signals")
@pytest.mark.parametrize(("whom", "name"), [("group", "SIGINT"), ("process", "SIGINT"), ("group", "SIGHUP")])
@pytest.mark.parametrize("step", ["made a random file", "started a session", "connected to", "put the uploaded file"])
def test_ctrl_c_and_what_does_as_it_does_leave_nothing_behind(folder: Path, whom: str, name: str, step: str) -> None:
    # Enough is left to do after a late step that the signal comes in time, on a busy machine, too.
    demo = Demo(folder, "--size-mib", "60" if step.startswith(("put", "connected")) else "5")
    assert demo.process.stdout is not None
    for line in demo.process.stdout:
        if step in line:
            break
    if whom == "group":
        os.killpg(demo.process.pid, getattr(signal, name))
    else:
        demo.process.send_signal(getattr(signal, name))
    status, text = demo.finish()
    if step != "put the uploaded file" or status != 0:
        # After that step the demo may be done before the signal comes.
        assert status == 130, text
        assert "anchor-uploads: interrupted\n" in text
    # Nobody reads a terminal that is closed; Playwright's driver is ended with it, and asyncio may remark on that.
    assert name == "SIGHUP" or "Traceback" not in text
    assert list(demo.temporary.iterdir()) == []
    assert _processes_in(demo.process.pid) == []


@pytest.mark.skipif(os.name == "nt", reason="uses POSIX signals")
def test_what_hangs_while_it_is_interrupted_does_not_keep_the_rest_from_being_cleaned_up() -> None:
    code = """
import os, signal, time
from anchor_uploads.cli import interruption
interruption._PATIENCE = 0.5
with interruption.clean_up_in_peace() as stack:
    stack.callback(print, "cleaned up")
    stack.callback(time.sleep, 60)
    os.kill(os.getpid(), signal.SIGINT)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "cleaned up\n"
    assert done.stderr.endswith("KeyboardInterrupt\n")


def _processes_in(group: int) -> list[int]:
    deadline = time.monotonic() + 5
    while True:
        found = []
        for process in psutil.process_iter():
            try:
                if os.getsid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process.pid)
            except (ProcessLookupError, PermissionError, psutil.Error):
                continue
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.05)
