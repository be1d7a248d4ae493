"""The local Anchor: files on their way to its disk, and from there into a page."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from anchor_uploads import UploadClient
from anchor_uploads.local import LocalServer, find_browser
from anchor_uploads.playwright import attach, drop
from benchmark.arguments import Options
from benchmark.figures import Goal, Outcome, Spread
from benchmark.processes import console, sample, serving

PAGE = (
    """<input type=file><div id=zone ondragover="event.preventDefault()" ondrop="event.preventDefault()">here</div>"""
)


def measure_disk(options: Options) -> Iterator[Outcome]:
    """Measure how fast uploads come to its disk, beside what `cp` takes for as many files."""
    size = options.mib << 20
    outcome = Outcome(f"The local Anchor receives files of {options.mib} MiB", ("wall, s", "cp, s", "its memory, MiB"))
    if not shutil.which("cp"):
        outcome.notes.append("left out: there is no cp here")
        yield outcome
        return
    with (
        sample(size) as file,
        tempfile.TemporaryDirectory() as directory,
        serving("anchor", directory) as server,
        UploadClient(api_key="k", base_url=f"http://127.0.0.1:{server.port}") as client,
    ):

        def upload(_number: int) -> None:
            with client.session() as session:
                client.upload_file(session.id, file)

        def copy(number: int) -> None:
            subprocess.run(["cp", file, f"{directory}/copy-{number}"], check=True)  # noqa: S607
            Path(directory, f"copy-{number}").unlink()

        def seconds(work: Callable[[int], None], at_once: int) -> float:
            started = time.perf_counter()
            with ThreadPoolExecutor(at_once) as threads:
                list(threads.map(work, range(at_once)))
            return time.perf_counter() - started

        with client.session() as session:
            client.upload_file(session.id, bytes(1024), filename="a.bin")
        idle = server.report()["memory"]
        for at_once in (1, 8):
            with console.status(f"the local Anchor: {at_once} at once"):
                seconds(copy, at_once)
                pairs = [(seconds(upload, at_once), seconds(copy, at_once)) for _ in range(options.rounds)]
            ours, theirs = (Spread.of(values) for values in zip(*pairs, strict=True))
            memory = server.report()["memory"]
            outcome.rows[f"{at_once} at once"] = [ours.shown(""), theirs.shown(""), f"{memory / 2**20:.0f}"]
            outcome.figures[f"{at_once} at once"] = {"wall": ours.median, "cp": theirs.median, "memory": memory}
            outcome.goals += [
                Goal(f"rate ÷ cp, {at_once} at once", Spread.of(b / a for a, b in pairs), 0.5, at_least=True),
                Goal(f"memory above idle, {at_once} at once", Spread.of([(memory - idle) / 2**20]), 8 * at_once, "MiB"),
            ]
    yield outcome


def measure_page(options: Options) -> Iterator[Outcome]:
    """Measure how long a file takes from the uploads directory into a page."""
    mib = 256 if options.quick else 2048
    outcome = Outcome(f"An uploaded file of {mib} MiB into a page", ())
    if not find_browser():
        outcome.notes.append("left out: there is no browser here")
        yield outcome
        return
    with (
        console.status("a page"),
        tempfile.NamedTemporaryFile(suffix=".bin") as file,
        LocalServer() as server,
        UploadClient(api_key=server.api_key, base_url=server.base_url) as client,
        client.session() as session,
        sync_playwright() as playwright,
    ):
        file.truncate(mib << 20)
        uploaded = client.upload_file(session.id, file.name)
        page = playwright.chromium.connect_over_cdp(session.cdp_url or "").contexts[0].new_page()
        page.set_content(PAGE)
        hands: dict[str, Callable[..., Any]] = {"attach": attach, "drop": drop}
        for name, selector in (("attach", "input"), ("drop", "#zone")):
            taken = []
            for _ in range(options.rounds + 1):
                started = time.perf_counter()
                hands[name](page.locator(selector), uploaded)
                taken.append(time.perf_counter() - started)
            outcome.goals.append(Goal(name, Spread.of(taken[1:]), 0.2, "s"))
            outcome.figures[name] = outcome.goals[-1].found.median
    yield outcome
