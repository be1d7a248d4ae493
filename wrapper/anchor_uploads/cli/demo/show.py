"""The demo's steps, told one by one, and the comparison at the end."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from anchor_uploads import InvalidArgument, UploadClient, UploadedFile
from anchor_uploads._human import human_size
from anchor_uploads.cli._shared import MIB, speed
from anchor_uploads.cli._streams import say
from anchor_uploads.cli.interruption import clean_up_in_peace
from anchor_uploads.progress import ProgressBar

if TYPE_CHECKING:
    from anchor_uploads import Session

__all__ = ["show"]

SCREENSHOT = "anchor-uploads-demo.png"
PLAYWRIGHT_LIMIT = 50 * MIB
"""Bytes from which Playwright sends no file to a browser that it has not started itself."""


@frozen
class Outcome:
    """What the table shows. received: the SHA-256 at the far end, where `far_end` says."""

    uploaded: UploadedFile
    upload_seconds: float
    sent: str
    received: str
    far_end: str
    screenshot: Path | None


def show(*, live: bool, size_mib: int, output: Path) -> int:
    """Show it, step by step on stdout; 0 if the bytes that arrived are the file's, else 1.

    Raises the errors of `UploadClient`, `InvalidArgument` also where no picture can go, `BrowserNotFound`, and
    `RuntimeError` for what goes wrong in the page.
    """
    why_no_page = _why_no_page(live)
    if why_no_page is None:
        _check_output(output)
    with clean_up_in_peace() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="anchor-uploads-demo-")))
        if live:
            client = stack.enter_context(UploadClient())
        else:
            from anchor_uploads.local.disk.ownership import owned

            # If this process is killed, the next local Anchor removes it.
            stack.enter_context(owned(folder))
            client = stack.enter_context(_local_client(browser=why_no_page is None))
        with _step(f"made a random file of {size_mib} MiB"):
            path, sent = _random_file(folder, size_mib)
        with _step("started a session"):
            session = stack.enter_context(client.session())
        with ProgressBar() as bar:
            started = time.monotonic()
            uploaded = client.upload_file(session.id, path, on_progress=bar)
            seconds = time.monotonic() - started
        _tell("uploaded the file", seconds)
        where = uploaded.path
        if where is None:
            raise RuntimeError(f"the service did not say where it put the file, but {uploaded.message!r}")

        if why_no_page is None:
            screenshot = output / SCREENSHOT
            received, far_end = _through_the_form(
                stack, session, path, uploaded, sent=sent, live=live, screenshot=screenshot
            )
        else:
            screenshot = None
            with _step("read the stored file back"):
                received, far_end = _hash(Path(where)), "stored"
        outcome = Outcome(uploaded, seconds, sent, received, far_end, screenshot)
    _print_table(outcome)
    if why_no_page is not None:
        say("")
        say(f"Not shown: the browser, the page and its form. {why_no_page}")
    return 0 if outcome.sent == outcome.received else 1


def _through_the_form(
    stack: ExitStack, session: Session, path: Path, uploaded: UploadedFile, *, sent: str, live: bool, screenshot: Path
) -> tuple[str, str]:
    """Put the file into the form, submit it; the hash of what arrived, and where that was computed."""
    from anchor_uploads.cli.demo import page as pages
    from anchor_uploads.cli.demo.form_server import FormServer, form_page
    from anchor_uploads.playwright import attach

    if session.cdp_url is None:
        raise RuntimeError("the service did not say where to connect to the session's browser (cdp_url)")
    forms = None if live else stack.enter_context(FormServer())
    if forms is not None:
        _tell(f"a web server with a form listens at {forms.origin}/")
    with _step("connected to the session's browser"):
        page = stack.enter_context(pages.connected_page(session.cdp_url, patience=60 + uploaded.size / MIB))
    with _step("opened the form"):
        if forms is None:
            pages.open_without_server(page, form_page())
        else:
            page.goto(f"{forms.origin}/")
    field = page.locator("input[type=file]")
    if path.stat().st_size >= PLAYWRIGHT_LIMIT:
        refusal = pages.refusal(field, path)
        _tell("Playwright's own set_input_files " + (f"refuses: {refusal!r}" if refusal else "takes it, too"))
    with _step("attach() put the uploaded file into <input type=file>; the page confirms its name and size"):
        attach(field, uploaded)
    with _step("pressed the form's button; the " + ("page" if live else "web server") + " has hashed the bytes"):
        shown = pages.submit(page)
    with _step("took a picture of the page"):
        pages.show_verdict(page, sent)
        screenshot.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=screenshot)
    # Where there is a server it is believed, and not what the page shows.
    receipt = forms.receipts[-1] if forms is not None else shown
    if (receipt.name, receipt.size) != (uploaded.name, uploaded.size):
        raise RuntimeError(
            f"the form received {receipt.name!r} of {receipt.size} bytes, not {uploaded.name!r} of {uploaded.size}"
        )
    return receipt.sha256, "in the page" if live else "received"


def _why_no_page(live: bool) -> str | None:
    """None if the browser part can be shown, else what is missing and how to get it."""
    if importlib.util.find_spec("playwright") is None:
        missing = 'Playwright is missing; run: pip install "anchor-uploads[all]"'
        if live:
            # Nothing is left to compare with: the stored file is on the service's machine.
            raise RuntimeError(missing)
        return missing
    if live:
        return None
    from anchor_uploads.local import BrowserNotFound, find_browser

    try:
        return None if find_browser() else str(BrowserNotFound())
    except BrowserNotFound as error:
        return str(error)


def _check_output(output: Path) -> None:
    there = next((path for path in (output, *output.parents) if os.path.lexists(path)), output)
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        raise InvalidArgument(f"--output: {str(there)!r} is no directory that can be written to")


@contextmanager
def _local_client(*, browser: bool) -> Iterator[UploadClient]:
    from anchor_uploads.local import LocalServer

    with ExitStack() as stack:
        with _step("started a local Anchor" + ("" if browser else " (without a browser)")):
            anchor = stack.enter_context(LocalServer(browser=browser))
        _tell(f"its API is at {anchor.base_url}")
        yield stack.enter_context(UploadClient(base_url=anchor.base_url, api_key=anchor.api_key))


def _random_file(folder: Path, size_mib: int) -> tuple[Path, str]:
    path = folder / "anchor-uploads-demo.bin"
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(size_mib):
            block = os.urandom(MIB)
            digest.update(block)
            file.write(block)
    return path, digest.hexdigest()


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(MIB):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def _step(text: str) -> Iterator[None]:
    """Tell of a step once it is done, with the time it took; a step that fails tells of itself."""
    started = time.monotonic()
    yield
    _tell(text, time.monotonic() - started)


def _tell(text: str, seconds: float | None = None) -> None:
    say(f"{'' if seconds is None else f'{seconds:6.2f} s':9}{text}")


def _print_table(outcome: Outcome) -> None:
    equal = outcome.sent == outcome.received
    uploaded = outcome.uploaded
    rows = {
        "file": f"{uploaded.name}, {human_size(uploaded.size)}",
        "uploaded in": f"{outcome.upload_seconds:.2f} s, {speed(uploaded.size, outcome.upload_seconds)}",
        "remote path": str(uploaded.path),
        "SHA-256 of the file": outcome.sent,
        f"SHA-256 {outcome.far_end}": outcome.received,
        "": "equal: every byte arrived" if equal else "DIFFERENT: these are not the file's bytes",
    }
    if outcome.screenshot is not None:
        rows["picture"] = str(outcome.screenshot)
    width = max(map(len, rows))
    mark = "32" if equal else "31"
    say("")
    for name, value in rows.items():
        coloured = not name and sys.stdout.isatty() and os.name == "posix" and not os.environ.get("NO_COLOR")
        say(f"  {name:{width}}  " + (f"\033[1;{mark}m{value}\033[0m" if coloured else value))
