"""Playwright's driver, in commands that may end at any time, and what it says of errors and pages."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from anchor_uploads._sources.names import without_urls_secrets

if TYPE_CHECKING:
    from playwright.async_api import Error, Page


@contextmanager
def tidy_driver() -> Iterator[None]:
    """Let Playwright, started in the block, leave nothing behind and say nothing of its own, however the block ends."""
    # What Ctrl-C cuts off in the midst they would report at length, after the one line that says all.
    for logger in ("playwright", "asyncio"):
        logging.getLogger(logger).addHandler(logging.NullHandler())
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
    # The driver makes a directory for each browser, and removes it only if nothing ends it before: a terminal that is
    # closed does. So it gets a temporary directory of its own.
    variables = ("TMPDIR", "TMP", "TEMP")
    before = {name: os.environ[name] for name in variables if name in os.environ}
    with tempfile.TemporaryDirectory(prefix="anchor-uploads-playwright-", ignore_cleanup_errors=True) as folder:
        os.environ.update(dict.fromkeys(variables, folder))
        try:
            yield
        finally:
            for name in variables:
                del os.environ[name]
            os.environ.update(before)


def problem(error: Error) -> str:
    """Return what Playwright says, in one line and without what its URLs hold that may be secret."""
    return without_urls_secrets(error.message.splitlines()[0])


def address(page: Page) -> str:
    """Return where a page is, without what in that may be secret."""
    # In a text, an apostrophe would be the end of the URL.
    return without_urls_secrets(page.url.replace("'", "%27"))
