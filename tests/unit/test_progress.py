"""`ProgressBar`, on a terminal that is a file."""

from __future__ import annotations

import gc
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from rich.console import Console

from anchor_uploads import UploadProgress
from anchor_uploads.progress import ProgressBar

SHOWN, HIDDEN = "\x1b[?25h", "\x1b[?25l"


def terminal(width: int = 100, *, is_one: bool = True) -> Console:
    return Console(file=io.StringIO(), force_terminal=is_one, width=width, color_system=None)


def lines(console: Console) -> list[str]:
    """Return all that was ever drawn, a line each, without what moves the cursor."""
    assert isinstance(console.file, io.StringIO)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", console.file.getvalue())
    return [re.sub(r"[╸╺━]+ ", "", " ".join(line.split())) for line in re.split("[\r\n]+", plain) if line.strip()]


def upload(bar: ProgressBar, name: str, total: int, sent: Iterable[int], attempt: int = 1) -> None:
    for each in sent:
        bar(UploadProgress(name, each, total, attempt))


def test_of_one_file_the_full_bar_stays_and_the_cursor_returns() -> None:
    console = terminal()
    upload(ProgressBar(console=console), "report.pdf", 4096, [0, 1024, 4096])
    last = lines(console)[-1]
    assert last.startswith("report.pdf 4.0/4.0 KiB")
    assert console.file.getvalue().endswith(SHOWN)  # type: ignore[attr-defined]


def test_of_many_files_those_under_way_stand_above_one_bar_for_all() -> None:
    console = terminal()
    with ProgressBar(files=3, size=300, console=console) as bar:
        for name in ("a", "b"):
            upload(bar, name, 100, [0, 50])
        bar._bars.refresh()
        drawn = lines(console)[-3:]
        for name in ("a", "b", "c"):
            upload(bar, name, 100, [100])
    assert [line.split(" bytes")[0] for line in drawn] == ["a 50/100", "b 50/100", "0 of 3 files 100/300"]
    assert lines(console)[-1].startswith("3 of 3 files 300/300 bytes")


def test_a_file_that_goes_out_again_counts_once() -> None:
    console = terminal()
    with ProgressBar(files=2, size=20, console=console) as bar:
        upload(bar, "a", 10, [0, 5, 10])
        upload(bar, "b", 10, [0])
        upload(bar, "a", 10, [0, 4], attempt=2)
        bar._bars.refresh()
        drawn = lines(console)[-3:]
        upload(bar, "a", 10, [10], attempt=2)
        upload(bar, "b", 10, [10])
    assert [line.split(" bytes")[0] for line in drawn] == ["b 0/10", "a (attempt 2) 4/10", "0 of 2 files 4/20"]
    assert "2 of 2 files 20/20 bytes" in lines(console)[-1]


def test_what_was_never_told_of_before_may_begin_with_a_later_attempt() -> None:
    console = terminal()
    with ProgressBar(console=console) as bar:
        upload(bar, "a", 10, [10], attempt=2)
        upload(bar, "b", 10, [10], attempt=3)
    assert "2 files 20/? bytes" in lines(console)[-1]


def test_a_file_that_failed_is_forgotten() -> None:
    console = terminal()
    with ProgressBar(files=2, size=20, console=console) as bar:
        upload(bar, "a", 10, [0, 5])
        upload(bar, "b", 10, [0])
        bar.forget("a")
        bar.forget("never heard of")
        bar._bars.refresh()
        drawn = lines(console)[-2:]
        upload(bar, "b", 10, [10])
    assert [line.split(" bytes")[0] for line in drawn] == ["b 0/10", "1 of 2 files 0/20"]
    assert lines(console)[-1].startswith("2 of 2 files 10/20 bytes")


@pytest.mark.parametrize("width", [20, 40, 71, 72, 200])
def test_a_long_name_never_takes_a_second_line(width: int) -> None:
    console = terminal(width)
    upload(ProgressBar(console=console), "a-name-that-is-longer-than-any-terminal" * 8, 4096, [0, 4096])
    assert all(len(line) <= width for line in lines(console))
    assert len(lines(console)) == len([line for line in lines(console) if line.startswith("a-")])


def test_an_empty_file_is_done_at_once() -> None:
    console = terminal()
    with ProgressBar(files=1, console=console) as bar:
        upload(bar, "a", 0, [0, 0])
    assert lines(console)[-1].startswith("a 0/0 bytes")


def test_where_nobody_can_see_it_nothing_is_written() -> None:
    console = terminal(is_one=False)
    with ProgressBar(files=2, console=console) as bar:
        upload(bar, "a", 10, [0, 10])
    upload(ProgressBar(console=console), "a", 10, [0, 5])
    gc.collect()
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]


def test_the_cursor_returns_when_nobody_holds_the_bar_of_an_upload_that_failed() -> None:
    console = terminal()
    bar = ProgressBar(console=console)
    upload(bar, "a", 10, [0, 5])
    file = console.file
    assert file.getvalue().count(HIDDEN) > file.getvalue().count(SHOWN)  # type: ignore[attr-defined]
    del bar
    gc.collect()
    assert file.getvalue().count(HIDDEN) == file.getvalue().count(SHOWN)  # type: ignore[attr-defined]


@pytest.mark.parametrize("variables", [{}, {"FORCE_COLOR": "1"}, {"TTY_COMPATIBLE": "1"}])
@pytest.mark.parametrize("console", ["None", "Console(file=io.StringIO(), force_terminal=True)"])
def test_what_is_printed_elsewhere_stays_where_it_belongs(console: str, variables: dict[str, str]) -> None:
    code = (
        "import io, sys; from rich.console import Console; from anchor_uploads import UploadProgress as P\n"
        "from anchor_uploads.progress import ProgressBar\n"
        f"bar = ProgressBar(console={console})\n"
        "bar(P('a', 0, 10, 1)); print('a result'); print('a complaint', file=sys.stderr); bar(P('a', 10, 10, 1))"
    )
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, env={**os.environ, **variables}, capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("a result\n", "a complaint\n")


def test_a_program_without_streams_has_a_bar_that_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    upload(ProgressBar(), "a", 10, [0, 10])


@pytest.mark.filterwarnings("default")
def test_in_a_notebook_one_output_is_drawn_anew_without_further_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nbclient import NotebookClient
    from nbformat.v4 import new_code_cell, new_notebook

    code = (
        "from anchor_uploads import UploadProgress\nfrom anchor_uploads.progress import ProgressBar\n"
        "bar = ProgressBar()\nfor sent in (0, 1024, 4096): bar(UploadProgress('report.pdf', sent, 4096, 1))"
    )
    notebook = new_notebook(cells=[new_code_cell(code)])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    (output,) = notebook.cells[0].outputs
    assert output.output_type == "display_data"
    assert "report.pdf" in output.data["text/html"]
    assert "4.0/4.0 KiB" in output.data["text/plain"]
