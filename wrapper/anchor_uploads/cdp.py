"""Files that lie on the browser's machine, put into a page's file input over the Chrome DevTools Protocol.

`set_input_files` takes any function that sends a CDP command to the page, for example Selenium's:

    from anchor_uploads.cdp import set_input_files

    found = driver.execute_cdp_cmd("Runtime.evaluate", {"expression": "document.querySelector('input[type=file]')"})
    set_input_files(driver.execute_cdp_cmd, found["result"], uploaded)

Users of Playwright have `anchor_uploads.playwright.attach`.

https://chromedevtools.github.io/devtools-protocol/tot/DOM/#method-setFileInputFiles
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from anchor_uploads import AttachError
from anchor_uploads._attach.expected import Attachable, AttachedFile, AttachedFileReplaced, RemoteFile
from anchor_uploads._attach.steps import DIGEST_LIMIT, put_files
from anchor_uploads._call.steps import run, run_async

__all__ = [
    "DIGEST_LIMIT",
    "AttachError",
    "Attachable",
    "AttachedFile",
    "AttachedFileReplaced",
    "RemoteFile",
    "set_input_files",
    "set_input_files_async",
]

Send = Callable[[str, dict[str, Any]], dict[str, Any]]
AsyncSend = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]


def set_input_files(
    send: Send, node: Mapping[str, Any], *files: Attachable, ignore_accept: bool = False, detached_ok: bool = False
) -> tuple[AttachedFile, ...]:
    """Put files that lie on the browser's machine into an `<input type=file>`, and see that it has them.

    send: sends one CDP command (method, params) to the target that holds the element's frame, and returns its result.
    node: the element, with an `objectId` or a `backendNodeId`, such as the RemoteObject of `Runtime.evaluate`.
    files: what `upload_file` returned, or `RemoteFile`s. They replace what the input had. Several may have one name.
    ignore_accept: attach even what the input's `accept` does not allow, as a person can.
    detached_ok: take an input that is not in the document, as pages make for a button that opens a file dialog.

    The browser first shows what it makes of the paths in an input that is not part of the page. Names and sizes must
    be as expected, and the files readable; the SHA-256, too, must be as expected where it is known, if the page is a
    secure context and the file has at most `DIGEST_LIMIT` bytes (`AttachedFile.sha256` tells whether it was computed).
    Only then the page's own input gets them, with one `input` and one `change` event, both trusted; should the files
    have changed in between, the page hears nothing and its input is emptied. What the page does after that, such as
    emptying the input itself or going elsewhere, is no error.

    Raises `AttachError`, and what `send` raises. Warns with `AttachedFileReplaced`.
    """
    steps = put_files(files, node, ignore_accept=ignore_accept, detached_ok=detached_ok)
    return run(steps, lambda command: send(*command))


async def set_input_files_async(
    send: AsyncSend, node: Mapping[str, Any], *files: Attachable, ignore_accept: bool = False, detached_ok: bool = False
) -> tuple[AttachedFile, ...]:
    """`set_input_files` for a `send` that must be awaited."""
    steps = put_files(files, node, ignore_accept=ignore_accept, detached_ok=detached_ok)
    return await run_async(steps, lambda command: send(*command))
