"""What several commands need: the service's options, sizes for people, and a progress bar."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anchor_uploads import UploadProgress

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Commands = Any

MIB = 1024 * 1024


def add_base_url(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--base-url",
        metavar="URL",
        help="where the service is (default: ANCHORBROWSER_BASE_URL, else the public one)",
    )


def speed(size: int, seconds: float) -> str:
    return f"{size / max(seconds, 1e-9) / 1e6:.0f} MB/s"


@contextmanager
def progress_bar(*, keep: bool = False) -> Iterator[Callable[[UploadProgress], None] | None]:
    """Give an `on_progress` that draws on stderr; None where stderr is no terminal, so that logs stay clean.

    keep: leave the full bar standing at the end.
    """
    if not sys.stderr.isatty():
        yield None
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
    except ModuleNotFoundError:
        yield _percentage()
        print(file=sys.stderr)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=not keep) as bar:
        task = bar.add_task("", visible=False)

        def draw(progress: UploadProgress) -> None:
            again = f" (attempt {progress.attempt})" if progress.attempt > 1 else ""
            bar.update(
                task,
                description=progress.name + again,
                completed=progress.sent,
                total=progress.total,
                visible=True,
            )

        yield draw


def _percentage() -> Callable[[UploadProgress], None]:
    drawn = 0.0

    def draw(progress: UploadProgress) -> None:
        nonlocal drawn
        now = time.monotonic()
        if now - drawn > 0.1 or progress.sent == progress.total:
            drawn = now
            percent = 100 * progress.sent // max(progress.total, 1)
            print(f"\r{progress.name}: {percent} %", end="", file=sys.stderr, flush=True)

    return draw
