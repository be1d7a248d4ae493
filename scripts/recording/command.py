"""A newcomer's first steps with the command, typed into a real shell."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

GUIDE = Path(".github", "docs", "command.md")
PORT = 8123
"""The port that the guide shows."""
_BLOCK = re.compile(r"(<!-- Recorded by scripts/record\. -->\n```console\n).*?(\n```\n)", re.DOTALL)
_END = "end of the answer"
_READY = "Ctrl-C ends it"

STEPS = (
    "ls -R",
    f"export ANCHORBROWSER_BASE_URL=http://127.0.0.1:{PORT} ANCHORBROWSER_API_KEY=local ANCHOR_UPLOADS_SERVE_KEY=local",
    f"anchor-uploads serve --port {PORT} --max-upload-bytes 1000000 --quiet &",
    "SESSION=$(anchor-uploads session start --url 'data:text/html,<input type=file>')",
    "anchor-uploads upload $SESSION -r invoices",
    "echo $?",
    "anchor-uploads attach $SESSION report.pdf --selector 'input[type=file]'",
    "anchor-uploads session end $SESSION",
    "kill %1",
)


def record(folder: Path) -> str:
    """Return what the shell shows: each step, and what is answered. Needs bash, and a Chromium."""
    _make_files(folder)
    scripts = os.path.dirname(sys.executable)
    shell = subprocess.Popen(
        [shutil.which("bash") or "bash", "--norc"],
        cwd=folder,
        env={**os.environ, "PATH": scripts + os.pathsep + os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    assert shell.stdin is not None
    assert shell.stdout is not None
    port = _free_port()
    shown: list[str] = []
    with shell:
        for step in STEPS:
            shown.append(f"$ {step}")
            # The next step may ask for the status.
            line = f"{step.replace(str(PORT), str(port))}\nstatus=$?; echo {_END}; (exit $status)"
            print(line, file=shell.stdin, flush=True)
            awaited = {_END, _READY} if step.endswith("&") else {_END}
            while awaited:
                line = shell.stdout.readline().rstrip("\n")
                assert line or shell.poll() is None, f"the shell ended in {step!r}"
                awaited -= {end for end in awaited if line.startswith(end)}
                if line != _END:
                    shown.append(line.replace(str(port), str(PORT)))
        shell.stdin.close()
    return "\n".join(shown)


def written_into(guide: str, transcript: str) -> str:
    """Return the guide with the transcript in its place."""
    changed, count = _BLOCK.subn(lambda found: found[1] + transcript + found[2], guide)
    assert count == 1, "the guide has no place for the transcript"
    return changed


def transcript_in(guide: str) -> str:
    """Return the transcript that the guide shows."""
    return guide[len("".join(guide.partition("```console\n")[:2])) :].partition("\n```\n")[0]


def _make_files(folder: Path) -> None:
    (folder / "invoices").mkdir()
    for name, size in {"invoices/april.pdf": 81_000, "invoices/may.pdf": 1_200_000, "report.pdf": 250_000}.items():
        (folder / name).write_bytes(b"%PDF-1.7\n".ljust(size, b" "))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
