"""Whether an uploaded file can be used where it is for: in a page's file input."""

from __future__ import annotations

from anchor_uploads import AttachError, Session, UploadedFile

__all__ = ["NotTried", "attach_in_page"]


class NotTried(Exception):
    """There is no page to try it in; the message says why."""


def attach_in_page(session: Session, uploaded: UploadedFile) -> str:
    """Attach `uploaded` to an input of a blank page in the session's browser, and return what the page then has.

    Raises `NotTried` if there is no page, and `AttachError` if it does not get the file.
    """
    if session.cdp_url is None:
        raise NotTried("the service told no cdp_url")
    try:
        from playwright.sync_api import Error, sync_playwright

        from anchor_uploads.playwright import attach
    except ImportError as error:
        raise NotTried(f"{error}; pip install 'anchor-uploads[playwright]'") from error
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.connect_over_cdp(session.cdp_url, timeout=30_000)
            try:
                context = browser.contexts[0] if browser.contexts else browser.new_context()
                page = context.new_page()
                page.set_content("<input type=file>")
                (found,) = attach(page.locator("input"), uploaded)
            finally:
                browser.close()
    except Error as error:
        # Only the first line: the rest is a log with the URL, which carries the key.
        raise NotTried(f"the session's browser cannot be driven: {str(error).splitlines()[0]}") from error
    if (found.name, found.size) != (uploaded.name, uploaded.size):
        raise AttachError(f"the page has {found.name!r} with {found.size} bytes")
    return f"the page has {found.name!r} with {found.size} bytes"
