"""An uploaded file into a page, with Playwright, and verified.

Playwright's own `set_input_files` and `drop` send the bytes once more, refuse 50 MiB to a browser elsewhere, and cannot
name a file that is there already. Needs Playwright, and a browser that speaks CDP (Chromium).

Example:
    >>> from anchor_uploads.playwright import attach, drop
    >>> uploaded = client.upload_file(session.id, "report.pdf")
    >>> attached = attach(page.get_by_label("Resume"), uploaded)
    >>> with page.expect_file_chooser() as chooser:
    ...     page.get_by_role("button", name="Attach").click()
    >>> attached = attach(chooser.value, uploaded)
    >>> dropped = drop(page.get_by_text("Drop files here"), uploaded)
"""

from __future__ import annotations

import asyncio
import re
import textwrap
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from anchor_uploads._attach.drop_zone import DRAG, DropZone, outward
from anchor_uploads._attach.file_input import FileInput
from anchor_uploads._attach.page import ANNOUNCE, OUTLIVED, Command
from anchor_uploads._attach.steps import ANNOUNCED, Way, into_page
from anchor_uploads._call.steps import run, run_async
from anchor_uploads.cdp import Attachable, AttachedFile, AttachedFileReplaced, AttachError, RemoteFile
from anchor_uploads.errors import InvalidArgument

if TYPE_CHECKING:
    from uuid import UUID

    from playwright import async_api, sync_api

    from anchor_uploads import AsyncUploadClient, UploadClient, UploadedFile

    Element = sync_api.Locator | sync_api.ElementHandle
    AsyncElement = async_api.Locator | async_api.ElementHandle
    Target = Element | sync_api.FileChooser
    AsyncTarget = AsyncElement | async_api.FileChooser

__all__ = [
    "AttachError",
    "AttachedFile",
    "AttachedFileReplaced",
    "RemoteFile",
    "attach",
    "attach_async",
    "drop",
    "drop_async",
    "upload_and_attach",
    "upload_and_attach_async",
]

_DROPPED = 5.0
"""Seconds to wait for the answer to a drop. It may never come if a frame goes away over it; then the guard is asked."""
_FOR_EVER = 20 * 86_400.0
"""Seconds; Playwright's driver counts in milliseconds, and not farther than 24 days."""
_FAREWELL = 1.0
"""Seconds to wait until a CDP session is closed: one whose page hangs closes when the page is well again."""


def attach(
    target: Target, *files: Attachable | Sequence[Attachable], timeout: float = 30.0, ignore_accept: bool = False
) -> tuple[AttachedFile, ...]:
    """Put files that the remote browser's machine already has into a file input, and see that the page has them.

    The page gets one trusted `input` and one trusted `change` event, as if a person had chosen the files, and nothing
    else: no attribute, no global, no focus. `anchor_uploads.cdp.set_input_files` tells what is checked, and when. A
    page that goes elsewhere once it has the files, or closes itself, is no error.

    Args:
        target: An `<input type=file>` or its `<label>`, visible or not, in any frame or open shadow root; or the
            `FileChooser` of a button, whose input need not be in the page.
        files: What `upload_file` returned, or `RemoteFile`s, or lists of them. They replace what the input had.
        timeout: Seconds to find the element, and as many to attach.
        ignore_accept: Whether to attach also what the input's `accept` does not allow, as a person can.

    Returns:
        What the browser has: names, sizes, and SHA-256 where it was to be compared and could be.

    Raises:
        AttachError: The element cannot take the files, the browser cannot read them or finds others than expected, or
            time is up; nothing false is in the input then. Where the page may have the files all the same, it says so.
        InvalidArgument: The timeout is no positive number.
        TypeError: The target is no element, or one of Playwright's other API.

    Warns:
        AttachedFileReplaced: A file took the place of one that had been attached before.

    Example:
        >>> from anchor_uploads.playwright import attach
        >>> attach(page.get_by_label("Resume"), client.upload_file(session.id, b"content", filename="a.txt"))[0].size
        7
    """
    from playwright import sync_api as api

    _check(target, api, other="attach_async")
    way = FileInput(ignore_accept=ignore_accept, detached_ok=isinstance(target, api.FileChooser))
    return _give(target, files, way, timeout)


async def attach_async(
    target: AsyncTarget,
    *files: Attachable | Sequence[Attachable],
    timeout: float = 30.0,
    ignore_accept: bool = False,
) -> tuple[AttachedFile, ...]:
    """Put files into a file input of a page. As `attach`, to be awaited, for Playwright's async API."""
    from playwright import async_api as api

    _check(target, api, other="attach")
    way = FileInput(ignore_accept=ignore_accept, detached_ok=isinstance(target, api.FileChooser))
    return await _give_async(target, files, way, timeout)


def drop(
    target: Element,
    *files: Attachable | Sequence[Attachable],
    position: tuple[float, float] | None = None,
    timeout: float = 30.0,
) -> tuple[AttachedFile, ...]:
    """Drop files that the remote browser's machine already has on an element that takes dropped files.

    The page gets trusted `dragenter`, `dragover` and `drop` events with real files, as if a person had dragged them
    from a file manager; `anchor_uploads.cdp.drop_files` tells what is checked, and when.

    Args:
        target: An element in any frame or shadow root; it is scrolled into view.
        files: As for `attach`, but each of another name: the browser would change those that are the same.
        position: Where on the element, in its own pixels from its upper left corner; by default its middle.
        timeout: Seconds to find the element, and as many to drop.

    Returns:
        What the browser has, as `attach` does.

    Raises:
        AttachError: Something stands in front of the element, such as a transparent input, which is for `attach`, the
            page does not accept what is dropped there, the browser cannot read the files or finds others than expected,
            or time is up. Where the page may have the files all the same, it says so.
        InvalidArgument: The timeout is no positive number.
        TypeError: The target is no element, or one of Playwright's other API.

    Warns:
        AttachedFileReplaced: A file took the place of one that had been attached before.

    Example:
        >>> from anchor_uploads.playwright import drop
        >>> zone = page.get_by_text("Drop files here")
        >>> drop(zone, client.upload_file(session.id, b"content", filename="a.txt"))[0].name
        'a.txt'
    """
    from playwright import sync_api as api

    _check(target, api, other="drop_async")
    return _give(target, files, DropZone(position), timeout)


async def drop_async(
    target: AsyncElement,
    *files: Attachable | Sequence[Attachable],
    position: tuple[float, float] | None = None,
    timeout: float = 30.0,
) -> tuple[AttachedFile, ...]:
    """Drop files on an element of a page. As `drop`, to be awaited, for Playwright's async API."""
    from playwright import async_api as api

    _check(target, api, other="drop")
    return await _give_async(target, files, DropZone(position), timeout)


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

    Args:
        client: What uploads.
        session_id: The session of the page's browser.
        target: As for `attach`.
        file: As for `UploadClient.upload_file`.
        attach_timeout: Seconds for `attach`.
        ignore_accept: As for `attach`.
        upload_options: Those of `UploadClient.upload_file`, such as `filename`, or `checksum=True`, with which the page
            compares the SHA-256, too.

    Returns:
        What was uploaded.

    Raises:
        AnchorUploadsError: As by `UploadClient.upload_file` and `attach`.
        TypeError: As by `attach`.

    A target or a timeout that can never be right is refused before anything is uploaded.

    Example:
        >>> from anchor_uploads.playwright import upload_and_attach
        >>> upload_and_attach(client, session.id, page.get_by_label("Resume"), "report.pdf", checksum=True).name
        'report.pdf'
    """
    from playwright import sync_api as api

    _check(target, api, other="upload_and_attach_async")
    attach_timeout = _seconds(attach_timeout)
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
    """Upload one file and attach it. As `upload_and_attach`, to be awaited, with the async client and API."""
    from playwright import async_api as api

    _check(target, api, other="upload_and_attach")
    attach_timeout = _seconds(attach_timeout)
    uploaded = await client.upload_file(session_id, file, **upload_options)
    await attach_async(target, uploaded, timeout=attach_timeout, ignore_accept=ignore_accept)
    return uploaded


def _give(target: Any, files: Sequence[Any], way: Way, timeout: float) -> tuple[AttachedFile, ...]:
    from playwright import sync_api as api

    steps = into_page(files, ANNOUNCED, way)
    timeout = _seconds(timeout)
    with _translated(api.Error, timeout):
        handle = run(_handle(target, api, timeout), _now)
        with _deadline(timeout):
            sessions = run(_sessions(handle, api), _now)

            def do(command: Command) -> Any:
                with _deadline(_DROPPED) if _drops(command) else nullcontext():
                    return run(_do(command, handle, sessions), _now)

            try:
                return run(steps, do)
            finally:
                with suppress(api.Error, TimeoutError), _deadline(_FAREWELL):
                    run(sessions.close(), _now)


async def _give_async(target: Any, files: Sequence[Any], way: Way, timeout: float) -> tuple[AttachedFile, ...]:
    from playwright import async_api as api

    steps = into_page(files, ANNOUNCED, way)
    timeout = _seconds(timeout)
    with _translated(api.Error, timeout):
        handle = await run_async(_handle(target, api, timeout), _now)
        with anyio.fail_after(timeout):
            sessions = await run_async(_sessions(handle, api), _now)

            async def do(command: Command) -> Any:
                with anyio.fail_after(_DROPPED if _drops(command) else None):
                    return await run_async(_do(command, handle, sessions), _now)

            try:
                return await run_async(steps, do)
            finally:
                with suppress(api.Error, TimeoutError), anyio.fail_after(_FAREWELL, shield=True):
                    await run_async(sessions.close(), _now)


# The steps below are calls, of the objects of either `api`. Only the twins above know whether they have to be awaited.
_Calls = Generator[Callable[[], Any], Any, Any]


def _drops(command: Command) -> bool:
    return command[0] == DRAG and command[1]["type"] == "drop"


def _now(call: Callable[[], Any]) -> Any:
    return call()


def _check(target: Any, api: Any, *, other: str) -> None:
    if isinstance(target, (api.Locator, api.ElementHandle, api.FileChooser)):
        return
    kind = type(target)
    if isinstance(target, (api.Page, api.Frame)):
        advice = "pass one of its elements, such as page.locator('input[type=file]')"
    elif isinstance(target, str):
        advice = f"pass the element of a page, such as page.locator({target!r})"
    else:
        advice = (
            f"pass a Locator, an ElementHandle or a FileChooser, or use {other} for those of Playwright's other API"
        )
    raise TypeError(f"cannot attach to a {kind.__module__}.{kind.__qualname__}: {advice}")


def _seconds(timeout: float) -> float:
    number = isinstance(timeout, (int, float)) and not isinstance(timeout, bool)
    if not (number and timeout > 0):
        raise InvalidArgument(f"the timeout must be a positive number of seconds, not {timeout!r}")
    return min(timeout, _FOR_EVER)


def _handle(target: Any, api: Any, timeout: float) -> _Calls:
    if isinstance(target, api.FileChooser):
        return target.element
    if isinstance(target, api.Locator):
        return (yield partial(target.element_handle, timeout=timeout * 1000))
    return target


def _sessions(handle: Any, api: Any) -> _Calls:
    frame = yield handle.owner_frame
    if frame is None:
        raise AttachError("the element is in no page; find it again")
    sessions = _Sessions(frame, api)
    yield from sessions.open()
    return sessions


class _Sessions:
    """The CDP sessions of an element's page: of the process that its frame is in, then of those around it."""

    def __init__(self, frame: Any, api: Any) -> None:
        self.context = frame.page.context
        self.opened: list[Any] = []
        self._next = frame
        self.error = api.Error

    def open(self) -> _Calls:
        """Open the next one outward. Frames of a site share that of their parent."""
        frame, self._next = self._next, self._next.parent_frame
        try:
            self.opened.append((yield partial(self.context.new_cdp_session, frame)))
        except self.error:
            if self._next is None:
                raise
            yield from self.open()

    def up_to_the_top(self) -> _Calls:
        """Return all of them; the last one is that of the topmost page."""
        while self._next is not None:
            yield from self.open()
        return self.opened

    def close(self) -> _Calls:
        for session in self.opened:
            yield session.detach


def _do(command: Command, handle: Any, sessions: _Sessions) -> _Calls:
    """Carry one of the steps out."""
    method, what = command
    if method == ANNOUNCE:
        return (yield partial(handle.evaluate, method, what))
    if method == OUTLIVED:
        return (yield from _outlived(what, sessions))
    if method == DRAG:
        return (yield from _drag(what, sessions))
    return (yield partial(sessions.opened[0].send, method, what))


def _outlived(problem: Exception, sessions: _Sessions) -> _Calls:
    # A page that has crashed is as gone as one that closed itself.
    if "crash" in str(problem):
        return False
    try:
        yield sessions.context.cookies
    except sessions.error:
        return False
    return True


def _drag(what: dict[str, Any], sessions: _Sessions) -> _Calls:
    """Drag from the topmost page, where what stands in front of the element's frame is met, too."""
    inner, *around = yield from sessions.up_to_the_top()
    point = what["x"], what["y"]
    for outer in around:
        tree = yield partial(inner.send, "Page.getFrameTree")
        owner = yield partial(outer.send, "DOM.getFrameOwner", {"frameId": tree["frameTree"]["frame"]["id"]})
        box = yield partial(outer.send, "DOM.getBoxModel", {"backendNodeId": owner["backendNodeId"]})
        point, inner = outward(point, box["model"]), outer
    return (yield partial(inner.send, DRAG, {**what, "x": point[0], "y": point[1]}))


@contextmanager
def _translated(error: type[Exception], timeout: float) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise AttachError(
            f"the browser did not finish within {timeout:g} seconds: the page may have the files, or nothing, but "
            "nothing false; look before you attach again. See whether its scripts hang, or allow more "
            "time with timeout="
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
    up = _TimeIsUp()
    timer = asyncio.get_running_loop().call_later(seconds, here.throw, up)
    try:
        yield
    except _TimeIsUp as which:
        if which is not up:
            raise
        raise TimeoutError from None
    finally:
        timer.cancel()
