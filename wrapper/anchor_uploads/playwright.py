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
import textwrap
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from anchor_uploads._attach.page import ANNOUNCE, Command
from anchor_uploads._attach.steps import ANNOUNCED, put_files
from anchor_uploads._call.steps import run, run_async
from anchor_uploads.cdp import Attachable, AttachedFile, AttachedFileReplaced, AttachError, RemoteFile

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
    from playwright import sync_api as api

    steps = put_files(files, ANNOUNCED, ignore_accept=ignore_accept, detached_ok=isinstance(target, api.FileChooser))
    with _translated(api.Error, timeout):
        handle = run(_handle(target, api, timeout), lambda call: call())
        with _deadline(timeout):
            session = run(_session(handle, api), lambda call: call())
            try:
                return run(steps, _done_by(handle, session))
            finally:
                with suppress(api.Error, TimeoutError), _deadline(_FAREWELL):
                    session.detach()


async def attach_async(
    target: AsyncTarget,
    *files: Attachable,
    timeout: float = 30.0,
    ignore_accept: bool = False,
) -> tuple[AttachedFile, ...]:
    """`attach` for Playwright's async API."""
    from playwright import async_api as api

    steps = put_files(files, ANNOUNCED, ignore_accept=ignore_accept, detached_ok=isinstance(target, api.FileChooser))
    with _translated(api.Error, timeout):
        handle = await run_async(_handle(target, api, timeout), lambda call: call())
        with anyio.fail_after(timeout):
            session = await run_async(_session(handle, api), lambda call: call())
            try:
                return await run_async(steps, _done_by(handle, session))
            finally:
                with suppress(api.Error, TimeoutError), anyio.fail_after(_FAREWELL, shield=True):
                    await session.detach()


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
    attach(target, uploaded, timeout=attach_timeout, ignore_accept=ignore_accept)
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
    await attach_async(target, uploaded, timeout=attach_timeout, ignore_accept=ignore_accept)
    return uploaded


# The steps below are calls, of the objects of either `api`. Only the twins above know whether they have to be awaited.
_Calls = Generator[Callable[[], Any], Any, Any]


def _handle(target: Any, api: Any, timeout: float) -> _Calls:
    if isinstance(target, api.FileChooser):
        return target.element
    if isinstance(target, api.Locator):
        return (yield partial(target.element_handle, timeout=timeout * 1000))
    if isinstance(target, api.ElementHandle):
        return target
    kind = type(target)
    other = "attach_async" if api.__name__ == "playwright.sync_api" else "attach"
    raise TypeError(
        f"cannot attach to a {kind.__module__}.{kind.__qualname__}; pass a Locator, an ElementHandle or a FileChooser, "
        f"or use {other} for those of Playwright's other API"
    )


def _session(handle: Any, api: Any) -> _Calls:
    """Return a CDP session of the process that the frame is in: frames of a site share that of their parent."""
    frame = yield handle.owner_frame
    if frame is None:
        raise AttachError("the element is in no page; find it again")
    while True:
        try:
            return (yield partial(frame.page.context.new_cdp_session, frame))
        except api.Error:
            if frame.parent_frame is None:
                raise
            frame = frame.parent_frame


def _done_by(handle: Any, session: Any) -> Callable[[Command], Any]:
    return lambda command: (handle.evaluate if command[0] == ANNOUNCE else session.send)(*command)


@contextmanager
def _translated(error: type[Exception], timeout: float) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise AttachError(
            f"the browser did not finish within {timeout:g} seconds, and what the page has now is unknown, but nothing "
            "false; see whether its scripts hang, or allow more time with timeout="
        ) from None
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
    """Raise `TimeoutError` in the midst of the block: most calls of Playwright's sync API have no timeout of their own.

    While one of them waits, its greenlet is parked and the event loop runs; so the loop can wake it with an error, in
    the way in which Playwright itself wakes it.
    """
    import greenlet  # type: ignore[import-untyped]

    here = greenlet.getcurrent()
    timer = asyncio.get_running_loop().call_later(seconds, here.throw, _TimeIsUp)
    try:
        yield
    except _TimeIsUp:
        raise TimeoutError from None
    finally:
        timer.cancel()
