"""Files that lie on the browser's machine, given to a page over the Chrome DevTools Protocol.

`set_input_files` takes any function that sends a CDP command to the page, such as Selenium's `driver.execute_cdp_cmd`.
`drop_files` drops the files where a page has no input. Users of Playwright have `anchor_uploads.playwright`.

Source: https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from anchor_uploads import AttachError
from anchor_uploads._attach.drop_zone import DropZone
from anchor_uploads._attach.expected import Attachable, AttachedFile, AttachedFileReplaced, RemoteFile
from anchor_uploads._attach.file_input import FileInput
from anchor_uploads._attach.page import OUTLIVED, Command
from anchor_uploads._attach.steps import DIGEST_LIMIT, into_page
from anchor_uploads._call.steps import run, run_async

__all__ = [
    "DIGEST_LIMIT",
    "AttachError",
    "Attachable",
    "AttachedFile",
    "AttachedFileReplaced",
    "RemoteFile",
    "drop_files",
    "drop_files_async",
    "set_input_files",
    "set_input_files_async",
]

Send = Callable[[str, dict[str, Any]], dict[str, Any]]
AsyncSend = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]


class WebElement(Protocol):
    """An element as Selenium has it."""

    @property
    def id(self) -> str: ...


Node = Mapping[str, Any] | WebElement

# As ChromeDriver writes it: the frame, its document, and the element's number, which is what CDP calls backendNodeId.
_ELEMENT_ID = re.compile(r"f\.\w+\.d\.\w+\.e\.(\d+)")


def set_input_files(
    send: Send,
    node: Node,
    *files: Attachable | Sequence[Attachable],
    ignore_accept: bool = False,
    detached_ok: bool = False,
) -> tuple[AttachedFile, ...]:
    """Put files that lie on the browser's machine into an `<input type=file>`, and see that it has them.

    The browser first shows what it makes of the paths in an input that is not part of the page. Names and sizes must be
    as expected, and the files readable; the SHA-256, too, must be as expected where it is known, if the page is a
    secure context and the file has at most `DIGEST_LIMIT` bytes (`AttachedFile.sha256` tells whether it was computed).
    Only then the page's own input gets them, with one `input` and one `change` event, both trusted; should the files
    have changed in between, the page hears nothing and its input is emptied. What the page does after that, such as
    emptying the input itself or going elsewhere, is no error.

    Args:
        send: Sends one CDP command (method, params) to the target that holds the element's frame, and returns its
            result.
        node: The input or its `<label>`, with an `objectId` or a `backendNodeId`, such as the RemoteObject of
            `Runtime.evaluate`; or a Selenium `WebElement`.
        files: What `upload_file` returned, or `RemoteFile`s, or lists of them. They replace what the input had. Several
            may have one name.
        ignore_accept: Whether to attach even what the input's `accept` does not allow, as a person can.
        detached_ok: Whether to take an input that is not in the document, as pages make for a button that opens a file
            dialog.

    Returns:
        What the browser has.

    Raises:
        AttachError: The input cannot take the files, or the browser cannot read them or finds others than expected. If
            the connection breaks while the page gets the files, it says that the page may have them.

    What `send` raises is raised, too.

    Warns:
        AttachedFileReplaced: A file took the place of one that had been attached before.

    Example:
        >>> from anchor_uploads.cdp import set_input_files
        >>> cdp = page.context.new_cdp_session(page)
        >>> node = cdp.send("Runtime.evaluate", {"expression": "document.querySelector('input')"})["result"]
        >>> set_input_files(cdp.send, node, client.upload_file(session.id, "report.pdf"))[0].name
        'report.pdf'
    """
    steps = into_page(files, _found(node), FileInput(ignore_accept=ignore_accept, detached_ok=detached_ok))
    return run(steps, _known_of(send))


async def set_input_files_async(
    send: AsyncSend,
    node: Node,
    *files: Attachable | Sequence[Attachable],
    ignore_accept: bool = False,
    detached_ok: bool = False,
) -> tuple[AttachedFile, ...]:
    """Put files into an `<input type=file>`. As `set_input_files`, to be awaited, with a `send` that must be."""
    steps = into_page(files, _found(node), FileInput(ignore_accept=ignore_accept, detached_ok=detached_ok))
    return await run_async(steps, _known_of_async(send))


def drop_files(
    send: Send,
    node: Node,
    *files: Attachable | Sequence[Attachable],
    position: tuple[float, float] | None = None,
) -> tuple[AttachedFile, ...]:
    """Drop files that lie on the browser's machine on an element that takes dropped files, and see that it has them.

    The files are probed as `set_input_files` does. The element is scrolled into view, and gets `dragenter`, `dragover`
    and `drop`, all trusted, with real files, as if a person had dragged them from a file manager. Nothing that is not
    the element, in it or around it, hears of that.

    Args:
        send: As for `set_input_files`.
        node: The element, as for `set_input_files`.
        files: As for `set_input_files`, but each of another name: the browser would change those that are the same.
        position: Where on the element, in its own pixels from its upper left corner; by default its middle.

    Returns:
        What the browser has.

    Raises:
        AttachError: Something stands in front of the element, and is named, such as a transparent input, which is for
            `set_input_files`, or the page does not accept what is dragged there, and sees the files leave again; else
            as by `set_input_files`.

    What `send` raises is raised, too.

    Warns:
        AttachedFileReplaced: A file took the place of one that had been attached before.

    Example:
        >>> from anchor_uploads.cdp import drop_files
        >>> cdp = page.context.new_cdp_session(page)
        >>> node = cdp.send("Runtime.evaluate", {"expression": "document.querySelector('p')"})["result"]
        >>> drop_files(cdp.send, node, client.upload_file(session.id, "report.pdf"))[0].name
        'report.pdf'
    """
    return run(into_page(files, _found(node), DropZone(position)), _known_of(send))


async def drop_files_async(
    send: AsyncSend,
    node: Node,
    *files: Attachable | Sequence[Attachable],
    position: tuple[float, float] | None = None,
) -> tuple[AttachedFile, ...]:
    """Drop files on an element. As `drop_files`, to be awaited, with a `send` that must be."""
    return await run_async(into_page(files, _found(node), DropZone(position)), _known_of_async(send))


def _found(node: Node) -> Mapping[str, Any]:
    if isinstance(node, Mapping):
        return node
    known = _ELEMENT_ID.fullmatch(str(getattr(node, "id", "")))
    if known is None:
        raise AttachError(
            f"cannot attach to a {type(node).__name__}: pass a node with an objectId or a backendNodeId, such as the "
            "result of Runtime.evaluate, or a WebElement of Selenium that ChromeDriver has found"
        )
    return {"backendNodeId": int(known[1])}


# Who only sends to one target does not know whether the browser outlived it.
def _known_of(send: Send) -> Callable[[Command], Any]:
    return lambda command: False if command[0] == OUTLIVED else send(*command)


def _known_of_async(send: AsyncSend) -> Callable[[Command], Awaitable[Any]]:
    async def do(command: Command) -> Any:
        return False if command[0] == OUTLIVED else await send(*command)

    return do
