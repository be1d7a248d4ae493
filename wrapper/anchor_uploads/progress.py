"""A bar for programs, terminals and notebooks, to be handed in as `on_progress` (extra `[cli]`)."""

from __future__ import annotations

import sys
import time
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column

from anchor_uploads import UploadProgress

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ProgressBar"]

_NARROW = 72
"""Columns of a terminal below which name, bar and percentage are all that fits on a line."""
_REDRAW_SECONDS = 0.1


class ProgressBar:
    """An `on_progress` that draws a bar for each file under way, and below them one for all.

    It draws on stderr, or in the notebook; where neither can show it, nothing, so that logs stay clean. It ends when no
    file is under way any more; as a context manager it ends with its block, which suits a batch. After an upload that
    failed outside of a block, it ends when nobody holds it any more.

    Args:
        files: How many there will be; None if that is not known.
        size: Their bytes altogether; with it the last bar tells the time that remains.
        console: Where to draw instead.

    Example:
        >>> from anchor_uploads.progress import ProgressBar
        >>> uploaded = client.upload_file(session.id, "report.pdf", on_progress=ProgressBar())
    """

    def __init__(self, *, files: int | None = None, size: int | None = None, console: Console | None = None) -> None:
        if console is None:
            # To rich a stream is also a terminal where FORCE_COLOR says that colours are wanted, as in many a CI's log.
            console = Console(stderr=True, force_terminal=None if _is_terminal(sys.stderr) else False)
        self._bars = (_NotebookBars if console.is_jupyter else _Bars)(
            *_columns(console.width),
            console=console,
            # A quiet one would swallow what is printed elsewhere, which comes to it while there are bars.
            disable=console.quiet or not (console.is_interactive or console.is_jupyter),
            # What else is printed there would run through the bars.
            redirect_stdout=_is_terminal(sys.stdout),
            redirect_stderr=_is_terminal(sys.stderr),
            expand=not console.is_jupyter,
        )
        self._files = files
        self._size = size
        self._under_way: dict[str, tuple[TaskID, int]] = {}
        self._whole: set[str] = set()
        self._ended = self._sent = 0
        self._all: TaskID | None = None
        self._in_block = False
        if not self._bars.disable:
            # A terminal whose cursor stays hidden is what an exception would leave behind.
            weakref.finalize(self, self._bars.stop)

    def __enter__(self) -> Self:
        self._in_block = True
        self._bars.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._in_block = False
        self._stop()

    def __call__(self, progress: UploadProgress) -> None:
        """Draw what is told of one file; one call at a time, as `upload_files` does.

        Args:
            progress: How far the file is.
        """
        name = progress.name
        if name not in self._under_way:
            self._begin(progress)
        task, before = self._under_way[name]
        self._under_way[name] = task, progress.sent
        self._sent += progress.sent - before
        label = name if progress.attempt == 1 else f"{name} (attempt {progress.attempt})"
        self._bars.update(task, completed=progress.sent, description=label)
        if progress.sent == progress.total:
            self._whole.add(name)
            self._end(name)
        else:
            self._tell_of_all()

    def forget(self, name: str) -> None:
        """Take away the bar of a file that failed.

        Args:
            name: What the file was called.

        Example:
            >>> from anchor_uploads.progress import ProgressBar
            >>> with ProgressBar() as bar:
            ...     report = client.upload_files(session.id, ["report.pdf", "missing"], on_progress=bar)
            ...     for failed in report.failed:
            ...         bar.forget(failed.name)
        """
        if name in self._under_way:
            self._sent -= self._under_way[name][1]
            self._bars.update(self._under_way[name][0], visible=False)
            self._end(name)

    def _begin(self, progress: UploadProgress) -> None:
        self._bars.start()
        if progress.name in self._whole:
            # It was out whole, and goes out once more.
            self._whole.remove(progress.name)
            self._ended -= 1
            self._sent -= progress.total
        if self._all is None and (self._ended or self._under_way):
            self._all = self._bars.add_task("", total=self._size, of_all=True)
            for task in self._bars.tasks:
                if task.finished and task.id != self._all:
                    self._bars.remove_task(task.id)
        self._under_way[progress.name] = self._bars.add_task(progress.name, total=progress.total), 0

    def _end(self, name: str) -> None:
        task, _sent = self._under_way.pop(name)
        self._ended += 1
        if self._all is not None:
            self._bars.remove_task(task)
        self._tell_of_all()
        if not self._under_way and not self._in_block:
            self._stop()

    def _tell_of_all(self) -> None:
        if self._all is not None:
            files = f"{self._ended} files" if self._files is None else f"{self._ended} of {self._files} files"
            self._bars.update(self._all, description=files, completed=self._sent)

    def _stop(self) -> None:
        if not self._bars.disable:
            self._bars.stop()


class _Bars(Progress):
    """The bar of all files stands below those of each."""

    def get_renderables(self) -> Iterator[RenderableType]:
        yield self.make_tasks_table(sorted(self.tasks, key=lambda task: bool(task.fields.get("of_all"))))


class _NotebookBars(_Bars):
    """Draws by what every notebook can do; rich's own way needs ipywidgets, and draws nothing without."""

    _display: Any = None
    _drawn = 0.0

    def start(self) -> None:
        if self._display is None:
            from IPython.display import display

            self._display = display(self, display_id=True)  # type: ignore[no-untyped-call]

    def stop(self) -> None:
        self._drawn = 0.0
        self.refresh()
        self._display = None

    def refresh(self) -> None:
        now = time.monotonic()
        if self._display is not None and now - self._drawn >= _REDRAW_SECONDS:
            self._drawn = now
            self._display.update(self)

    def update(self, task_id: TaskID, **changes: Any) -> None:
        super().update(task_id, **changes)
        self.refresh()


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def _columns(width: int) -> list[ProgressColumn]:
    column = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    name = TextColumn("{task.description}", markup=False, table_column=column)
    if width < _NARROW:
        return [name, BarColumn(bar_width=8), TaskProgressColumn()]
    bar = BarColumn(bar_width=20)
    return [name, bar, DownloadColumn(binary_units=True), TransferSpeedColumn(), TimeRemainingColumn()]
