"""An uploaded file into a page's `<input type=file>`, with Playwright, and verified:

    from anchor_uploads.playwright import attach

    uploaded = client.upload_file(session.id, "report.pdf")
    attach(page.get_by_label("Resume"), uploaded)

    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Attach").click()
    attach(chooser.value, uploaded)

Playwright's own `set_input_files` sends the bytes once more, refuses 50 MiB to a browser elsewhere, and cannot name a
file that is there already. Needs Playwright, and a browser that speaks CDP (Chromium).
"""

from __future__ import annotations

import asyncio
import re
import secrets
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from anchor_uploads import AttachError, in_page
from anchor_uploads.attachment import (
    Attachable,
    AttachedFile,
    AttachedFileReplaced,
    RemoteFile,
    remote_files,
    warn_of_replaced,
)
from anchor_uploads.cdp import Found, end_search, put_files, start_search
from anchor_uploads.conversation import run, run_async

if TYPE_CHECKING:
    from uuid import UUID

    from playwright import async_api, sync_api

    from anchor_uploads import AsyncUploadClient, UploadClient, UploadedFile

    Target = sync_api.Locator | sync_api.ElementHandle | sync_api.FileChooser
    AsyncTarget = async_api.Locator | async_api.ElementHandle | async_api.FileChooser

__all__ = [
    "AttachError",
    "AttachedFile",
    "AttachedFileReplaced",
    "RemoteFile",
    "attach",
    "attach_async",
    "upload_and_attach",
    "upload_and_attach_async",
]

Frame = TypeVar("Frame")

_FAREWELL = 1.0
"""Seconds to wait until a CDP session is closed: one whose page hangs closes when the page is well again."""


def attach(
    target: Target, *files: Attachable, timeout: float = 30.0, ignore_accept: bool = False
) -> tuple[AttachedFile, ...]:
    """Put files that the remote browser's machine already has into a file input, and see that the page has them.

    target: a `Locator` or `ElementHandle` of an `<input type=file>`, visible or not, in any frame or open shadow root;
    or the `FileChooser` of a button, whose input need not be in the page.
    files: what `upload_file` returned, or `RemoteFile(path, size)`. They replace what the input had.
    timeout: seconds to find the element, and as many to attach. ignore_accept: attach also what the input's `accept`
    does not allow.

    Returns what the browser has: names, sizes, and SHA-256 where it was to be compared and could be. The page gets one
    trusted `input` and one trusted `change` event, as if a person had chosen the files, and nothing else: no attribute,
    no global, no focus. `anchor_uploads.cdp.set_input_files` tells what is checked, and when.

    Raises `AttachError` if the element cannot take the files, the browser cannot read them or finds others than
    expected, or time is up; nothing false is in the input then. Warns with `AttachedFileReplaced`.
    """
    found = _attach(target, files, timeout, ignore_accept=ignore_accept)
    warn_of_replaced(files, found.modified, stacklevel=2)
    return found.files


async def attach_async(
    target: AsyncTarget, *files: Attachable, timeout: float = 30.0, ignore_accept: bool = False
) -> tuple[AttachedFile, ...]:
    """`attach` for Playwright's async API."""
    found = await _attach_async(target, files, timeout, ignore_accept=ignore_accept)
    warn_of_replaced(files, found.modified, stacklevel=2)
    return found.files


def upload_and_attach(
    client: UploadClient,
    session_id: str | UUID,
    target: Target,
    file: Any,
    *,
    attach_timeout: float = 30.0,
    ignore_accept: bool = False,
    **upload_options: Any,
) -> UploadedFile:
    """Upload one file into a session and attach it to an input of a page there.

    upload_options: those of `UploadClient.upload_file`, such as `filename=` or `checksum=True`, with which the page
    compares the SHA-256, too. attach_timeout: seconds for `attach`. Raises what both raise.
    """
    uploaded = client.upload_file(session_id, file, **upload_options)
    found = _attach(target, [uploaded], attach_timeout, ignore_accept=ignore_accept)
    warn_of_replaced([uploaded], found.modified, stacklevel=2)
    return uploaded


async def upload_and_attach_async(
    client: AsyncUploadClient,
    session_id: str | UUID,
    target: AsyncTarget,
    file: Any,
    *,
    attach_timeout: float = 30.0,
    ignore_accept: bool = False,
    **upload_options: Any,
) -> UploadedFile:
    """`upload_and_attach` for `AsyncUploadClient` and Playwright's async API."""
    uploaded = await client.upload_file(session_id, file, **upload_options)
    found = await _attach_async(target, [uploaded], attach_timeout, ignore_accept=ignore_accept)
    warn_of_replaced([uploaded], found.modified, stacklevel=2)
    return uploaded


def _attach(target: Target, files: Sequence[Attachable], timeout: float, *, ignore_accept: bool) -> Found:
    from playwright.sync_api import Error, FileChooser

    # What cannot be right is no reason to wait for an element.
    remote_files(files)
    with _translated(Error):
        handle = _handle(target, timeout)
    with _translated(Error), _deadline(timeout):
        session = _cdp_session(_in_a_page(handle.owner_frame()), Error)
        try:
            name = secrets.token_hex(16)
            search = run(start_search(name), session.send)
            _check_announced(handle.evaluate(in_page.ANNOUNCE, name))
            node = run(end_search(search), session.send)
            steps = put_files(node, files, ignore_accept=ignore_accept, detached_ok=isinstance(target, FileChooser))
            return run(steps, session.send)
        finally:
            with suppress(Error, AttachError), _deadline(_FAREWELL):
                session.detach()


async def _attach_async(
    target: AsyncTarget, files: Sequence[Attachable], timeout: float, *, ignore_accept: bool
) -> Found:
    from playwright.async_api import Error, FileChooser

    remote_files(files)
    with _translated(Error):
        handle = await _handle_async(target, timeout)

    async def attached() -> Found:
        session = await _cdp_session_async(_in_a_page(await handle.owner_frame()), Error)
        try:
            name = secrets.token_hex(16)
            search = await run_async(start_search(name), session.send)
            _check_announced(await handle.evaluate(in_page.ANNOUNCE, name))
            node = await run_async(end_search(search), session.send)
            steps = put_files(node, files, ignore_accept=ignore_accept, detached_ok=isinstance(target, FileChooser))
            return await run_async(steps, session.send)
        finally:
            with suppress(Error, asyncio.TimeoutError):
                await asyncio.wait_for(session.detach(), _FAREWELL)

    with _translated(Error):
        try:
            return await asyncio.wait_for(attached(), timeout)
        except asyncio.TimeoutError:
            raise _too_late(timeout) from None


def _handle(target: Target, timeout: float) -> sync_api.ElementHandle:
    from playwright.sync_api import ElementHandle, FileChooser, Locator

    if isinstance(target, FileChooser):
        return target.element
    if isinstance(target, Locator):
        return target.element_handle(timeout=timeout * 1000)
    if isinstance(target, ElementHandle):
        return target
    raise _wrong_target(target, "attach_async")


async def _handle_async(target: AsyncTarget, timeout: float) -> async_api.ElementHandle:
    from playwright.async_api import ElementHandle, FileChooser, Locator

    if isinstance(target, FileChooser):
        return target.element
    if isinstance(target, Locator):
        return await target.element_handle(timeout=timeout * 1000)
    if isinstance(target, ElementHandle):
        return target
    raise _wrong_target(target, "attach")


def _wrong_target(target: object, other: str) -> TypeError:
    kind = type(target)
    return TypeError(
        f"cannot attach to a {kind.__module__}.{kind.__qualname__}; pass a Locator, an ElementHandle or a FileChooser, "
        f"or use {other} for those of Playwright's other API"
    )


def _cdp_session(frame: sync_api.Frame, error: type[Exception]) -> sync_api.CDPSession:
    """Return a session of the process that the frame is in: frames of the same site share that of their parent."""
    while True:
        try:
            return frame.page.context.new_cdp_session(frame)
        except error:
            if frame.parent_frame is None:
                raise
            frame = frame.parent_frame


async def _cdp_session_async(frame: async_api.Frame, error: type[Exception]) -> async_api.CDPSession:
    while True:
        try:
            return await frame.page.context.new_cdp_session(frame)
        except error:
            if frame.parent_frame is None:
                raise
            frame = frame.parent_frame


def _in_a_page(frame: Frame | None) -> Frame:
    if frame is None:
        raise AttachError("the element is in no page; find it again")
    return frame


def _check_announced(done: object) -> None:
    if not done:
        raise AttachError("the element is not an HTML element of a page that is shown; find the <input type=file>")


@contextmanager
def _translated(error: type[Exception]) -> Iterator[None]:
    try:
        yield
    except error as problem:
        # Playwright's messages have many lines, and a coloured log.
        words = re.sub(r"\x1b\[\d+m", "", str(problem)).split()
        raise AttachError(
            f"the file could not be attached ({textwrap.shorten(' '.join(words), 300)}); find the element again, and "
            "see that the page is open and the browser a Chromium"
        ) from problem


class _TimeIsUp(BaseException):
    """Not an `Exception`, lest someone between asks a browser that does not answer for one more thing."""


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Give up what the block waits for: most calls of Playwright's sync API have no timeout of their own.

    While one of them waits, its greenlet is parked and the event loop runs; so the loop can wake it with an error, in
    the way in which Playwright itself wakes it.
    """
    import greenlet  # type: ignore[import-untyped]

    here = greenlet.getcurrent()
    timer = asyncio.get_running_loop().call_later(seconds, here.throw, _TimeIsUp)
    try:
        yield
    except _TimeIsUp:
        raise _too_late(seconds) from None
    finally:
        timer.cancel()


def _too_late(seconds: float) -> AttachError:
    return AttachError(
        f"the browser did not finish within {seconds:g} seconds, and what the page has now is unknown, but nothing "
        "false; see whether its scripts hang, or allow more time with timeout="
    )
