"""The demo's browser half: a page in the session's browser, a file in its form, the form's button."""

from __future__ import annotations

import json
import logging
import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Route

    from anchor_uploads import UploadedFile

# A reserved name (RFC 2606): no request for it can ever leave, and https makes it a place where pages may hash.
NOWHERE = "https://anchor-uploads-demo.invalid/"


@frozen
class Receipt:
    """What came out of the form, as the page shows it."""

    name: str
    size: int
    sha256: str


@contextmanager
def connected_page(cdp_url: str, *, patience: float) -> Iterator[Page]:
    """A page of the browser behind `cdp_url`. patience: seconds that any one step in it may take."""
    from playwright.sync_api import Error, sync_playwright

    # What Ctrl-C cuts off in the midst Playwright would report at length, after the one line that says all.
    logging.getLogger("playwright").addHandler(logging.NullHandler())
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.connect_over_cdp(cdp_url)
            try:
                page = browser.contexts[0].new_page()
                page.set_default_timeout(patience * 1000)
                page.set_viewport_size({"width": 1120, "height": 760})
                yield page
            finally:
                # Only disconnects; ending the session ends the browser. Skipped, it leaves files in the temp directory.
                with suppress(Error):
                    browser.close()
        except Error as error:
            # Playwright's messages quote the URL, and the URL holds the key.
            text = error.message.replace(cdp_url, "(cdp_url)").splitlines()[0]
            raise RuntimeError(f"the session's browser failed: {text}") from None


def open_without_server(page: Page, html: str) -> None:
    """Show `html` in a browser that may be anywhere, as a page of a host that does not exist."""

    def answer(route: Route) -> None:
        route.fulfill(body=html, content_type="text/html; charset=utf-8")

    page.route(NOWHERE + "**", answer)
    page.goto(NOWHERE)


def attach(field: Locator, uploaded: UploadedFile) -> None:
    """Put a file that is already on the browser's machine into a file input, and see that the page has it.

    Playwright's own `set_input_files` would send the bytes again, and refuses 50 MiB; CDP takes the remote path. It
    also takes a path where nothing is, and makes a file of 0 bytes of it: hence the look at what the page got.
    """
    mark = secrets.token_hex(8)
    field.evaluate("(input, mark) => input.setAttribute('data-attach', mark)", mark)
    cdp = field.page.context.new_cdp_session(field.page)
    try:
        found = cdp.send("Runtime.evaluate", {"expression": f"document.querySelector('[data-attach=\"{mark}\"]')"})
        target = found["result"]["objectId"]
        cdp.send("DOM.setFileInputFiles", {"files": [uploaded.path], "objectId": target})
    finally:
        cdp.detach()
    files = field.evaluate("input => Array.from(input.files, file => ({name: file.name, size: file.size}))")
    if files != [{"name": uploaded.name, "size": uploaded.size}]:
        raise RuntimeError(
            f"the file input holds {files}, not {uploaded.name!r} of {uploaded.size} bytes: "
            f"is {uploaded.path} where the browser sees it?"
        )


def submit(page: Page) -> Receipt:
    """Press the form's button, as a person would, and read the receipt."""
    page.get_by_role("button", name="Send file").click()
    receipt = page.locator("#receipt")
    receipt.wait_for(state="visible")
    return Receipt(**json.loads(receipt.get_attribute("data-receipt") or ""))
