"""The demo's browser half: a page in the session's browser, a file in its form, the form's button."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from anchor_uploads.cli._driver import problem, tidy_driver

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Route

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

    with tidy_driver(), sync_playwright() as playwright:
        try:
            browser = playwright.chromium.connect_over_cdp(cdp_url)
            page = browser.contexts[0].new_page()
            page.set_default_timeout(patience * 1000)
            page.set_viewport_size({"width": 1120, "height": 760})
            yield page
        except Error as error:
            raise RuntimeError(f"the session's browser failed: {problem(error)}") from None


def open_without_server(page: Page, html: str) -> None:
    """Show `html` in a browser that may be anywhere, as a page of a host that does not exist."""

    def answer(route: Route) -> None:
        route.fulfill(body=html, content_type="text/html; charset=utf-8")

    page.route(NOWHERE + "**", answer)
    page.goto(NOWHERE)


def refusal(field: Locator, path: Path) -> str | None:
    """Hand the local file to Playwright's own `set_input_files`; return why it refuses, or None if it does not."""
    from playwright.sync_api import Error

    try:
        field.set_input_files(path)
    except Error as error:
        # Its first line names the call, and only then says what is the matter.
        return error.message.splitlines()[0].rpartition(": ")[2]
    return None


def submit(page: Page) -> Receipt:
    """Press the form's button, as a person would, and read the receipt."""
    page.get_by_role("button", name="Send file").click()
    receipt = page.locator("#receipt")
    receipt.wait_for(state="visible")
    return Receipt(**json.loads(receipt.get_attribute("data-receipt") or ""))


def show_verdict(page: Page, sent: str) -> None:
    """Have the page say whether what arrived is the file. sent: the SHA-256 of the file on disk."""
    page.evaluate("sent => showVerdict(sent)", sent)
