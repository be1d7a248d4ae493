"""`anchor-uploads attach|drop SESSION_ID FILE...`: upload, and hand over to a page of the session's browser."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import anyio
import attrs
import click

from anchor_uploads._human import human_size, printable
from anchor_uploads.cli._driver import address, problem, tidy_driver
from anchor_uploads.cli._shared import SECONDS, Function, as_json, attempt_options, settings
from anchor_uploads.cli._streams import say
from anchor_uploads.cli._telling import Telling, parts_of

if TYPE_CHECKING:
    from playwright.async_api import Browser, Frame, Locator, Page

CDP_URL_VARIABLE = "ANCHOR_UPLOADS_CDP_URL"
_LOOK_SECONDS = 0.1


def _command(default_selector: str) -> Callable[[Function], Function]:
    options = (
        click.argument("session_id"),
        click.argument("files", metavar="FILE...", nargs=-1, required=True),
        click.option(
            "--selector",
            default=default_selector,
            show_default=True,
            metavar="SELECTOR",
            help="The element, in CSS or as Playwright's locators have it; looked for in frames, too.",
        ),
        click.option("--page", metavar="TEXT", help="Part of the page's address, where the browser has several open."),
        click.option(
            "--cdp-url",
            metavar="URL",
            envvar=CDP_URL_VARIABLE,
            help="Where the session's browser is, if not where the service's clients look for it. It holds the key: "
            f"better put it into {CDP_URL_VARIABLE}.",
        ),
        click.option(
            "--timeout",
            "patience",
            type=SECONDS,
            default=30.0,
            show_default=True,
            metavar="S",
            help="Seconds to wait for the page.",
        ),
        attempt_options,
        as_json,
    )

    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


@click.command(
    epilog="""Example:

    \b
    anchor-uploads attach SESSION_ID report.pdf --selector "#resume"
    """
)
@_command("input[type=file]")
@click.option("--ignore-accept", is_flag=True, help="Attach what the input's accept does not allow, too.")
def attach(ignore_accept: bool, **options: Any) -> int:
    """Upload files and put them into a page's input.

    Prints what the page has, once it has been seen that it has the files. If one cannot be uploaded, none is attached;
    those that are in the session, and in no page, are told as `upload` tells them.
    """
    from anchor_uploads.playwright import attach_async

    return anyio.run(_into_page, options, partial(attach_async, ignore_accept=ignore_accept))


@click.command()
@_command("body")
def drop(**options: Any) -> int:
    """Upload files and drop them on a page.

    The element is one that takes dropped files. Prints what the page has; if one file cannot be uploaded, none is
    dropped, as with `attach`.
    """
    from anchor_uploads.playwright import drop_async

    return anyio.run(_into_page, options, drop_async)


async def _into_page(options: dict[str, Any], give: Callable[..., Any]) -> int:
    from playwright.async_api import Error  # noqa: F401 - at once, and not only where it is used

    from anchor_uploads import AsyncUploadClient

    paths, session_id, patience = options["files"], options["session_id"], options["patience"]
    uploaded: list[str] = []
    telling = Telling(paths, parts_of(paths), as_json=options["as_json"], hold=uploaded.append)
    async with AsyncUploadClient(**settings(options)) as client:
        # Says of a session that is not there what the browser's end of it could not say.
        await client.get_session(session_id)
        url = options["cdp_url"] or _cdp_url(client.settings.base_url, client.settings.api_key, session_id)
        async with _connected(url) as browser:
            # First, so that nothing is uploaded for a page that is not there.
            target = await _found(browser, options)
            try:
                with telling.bar:
                    report = await client.upload_files(
                        session_id, telling.wanted(paths), on_progress=telling.progress, on_result=telling.result
                    )
                telling.warn(report)
                telling.raise_what_ended_it()
                if report.failed:
                    return 1
                attached = await give(target, report.uploaded, timeout=patience)
                uploaded.clear()
            finally:
                # What is in the session, and perhaps in no page.
                for line in uploaded:
                    say(line, done=line)
            where = address(target.page)
    for file in attached:
        if options["as_json"]:
            line = json.dumps({**attrs.asdict(file), "page": where})
        else:
            line = printable(f"{file.name}  {human_size(file.size)}  in {options['selector']} of {where}")
        say(line, done=line)
    return 0


def _cdp_url(base_url: str, api_key: str, session_id: str) -> str:
    """Return where a session's browser is, by the rule of the service's own clients."""
    parts = urlsplit(base_url)
    scheme = "ws" if parts.scheme == "http" else "wss"
    host = parts.netloc.replace("api.", "connect.", 1)
    return f"{scheme}://{host}{parts.path}?apiKey={quote(api_key, safe='')}&sessionId={session_id}"


@asynccontextmanager
async def _connected(cdp_url: str) -> AsyncIterator[Browser]:
    from playwright.async_api import Error, async_playwright

    with tidy_driver():
        async with async_playwright() as playwright:
            try:
                browser = await playwright.chromium.connect_over_cdp(cdp_url)
            except Error as error:
                raise RuntimeError(f"the session's browser cannot be used: {problem(error)}") from None
            yield browser


async def _found(browser: Browser, options: dict[str, Any]) -> Locator:
    """Return the one element that is meant, once it is there."""
    from playwright.async_api import Error

    selector, wanted = options["selector"], options["page"] or ""
    pages: list[Page] = []
    found: list[tuple[Locator, int]] = []
    failed: set[Frame] = set()
    with anyio.move_on_after(options["patience"]):
        while True:
            pages = [page for context in browser.contexts for page in context.pages if wanted in page.url]
            found, failed_before, failed = [], failed, set()
            for frame in [frame for page in pages for frame in page.frames]:
                locator = frame.locator(selector)
                try:
                    if count := await locator.count():
                        found.append((locator, count))
                except Error as error:
                    # A frame may be gone or go elsewhere meanwhile; for one that is there at the next look, the
                    # selector is at fault.
                    if frame in failed_before:
                        raise RuntimeError(f"{selector!r} cannot be looked for: {problem(error)}") from None
                    failed.add(frame)
            if len(found) == 1 and found[0][1] == 1:
                return found[0][0]
            if found:
                break
            await anyio.sleep(_LOOK_SECONDS)
    number = sum(count for _locator, count in found)
    shown = ", ".join(f"{address(page):.80}" for page in pages) or "none"
    raise RuntimeError(
        f"{number or 'no'} elements match {selector!r}, and one is needed; name another with --selector, or the page "
        f"with --page. Pages looked at: {shown}"
    )
