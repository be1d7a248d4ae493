"""What the tests in a browser share: a local Anchor, a session in it, a site with forms, and Playwright both ways."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from anchor_uploads import AsyncUploadClient, Session, UploadClient, UploadedFile
from anchor_uploads.local import LocalServer, find_browser
from support.blocking import Blocking
from support.form_site import FormSite, Received

CONTENTS = {"report.pdf": b"%PDF-1.7 " + bytes(range(256)) * 40, "Übersicht 2.txt": b"plain text\n" * 7}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "by_turns: each row once, over the sync and the async API by turns, which carry out the same steps"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("rounds") == 1:
        items[:] = [item for item in items if item.get_closest_marker("by_turns") is None or _its_turn(item)]


def _its_turn(item: Any) -> bool:
    """As on a chessboard, so that each value of each parameter meets both of them."""
    return (item.callspec.indices["twin"] + sum(_rows(item))) % 2 == 0


def _rows(item: Any) -> Iterator[int]:
    """Give the number of the row that each `parametrize` has here; pytest numbers their combinations only."""
    for argument, rows, *_ in (mark.args for mark in item.iter_markers("parametrize")):
        names = [name.strip() for name in argument.split(",")] if isinstance(argument, str) else argument
        here = [item.callspec.params[name] for name in names]
        listed = [row.values if isinstance(row, type(pytest.param())) else row for row in rows]
        yield [list(row) if isinstance(row, tuple) and len(row) == len(names) else [row] for row in listed].index(here)


@pytest.fixture(scope="module")
def client() -> Iterator[UploadClient]:
    if find_browser() is None:
        pytest.skip("no Chrome, Chromium or Edge here; set ANCHOR_UPLOADS_BROWSER to run this")
    with LocalServer() as anchor, UploadClient(api_key=anchor.api_key, base_url=anchor.base_url) as client:
        yield client


@pytest.fixture(scope="module")
def session(client: UploadClient) -> Iterator[Session]:
    with client.session() as session:
        yield session


@pytest.fixture(scope="module")
def site() -> Iterator[FormSite]:
    with FormSite() as site:
        yield site


class Hang:
    """What lets the scripts of a page stand still, at no cost, until it is let go: a server that never answers."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self.script = f"""{{
            const request = new XMLHttpRequest();
            request.open("POST", "{address}", false);
            try {{ request.send(); }} catch {{ /* let go */ }}
        }}"""
        self._held: list[socket.socket] = []

    def begun(self) -> None:
        """Wait until a page hangs."""
        self._held.append(self._server.accept()[0])

    def close(self) -> None:
        for connection in (self._server, *self._held):
            connection.close()


@pytest.fixture
def hang() -> Iterator[Hang]:
    with closing(Hang()) as hang:
        yield hang


@pytest.fixture(scope="module")
def files(client: UploadClient, session: Session) -> list[UploadedFile]:
    """Two files that are in the session, as `CONTENTS` has them."""
    return [client.upload_file(session.id, content, filename=name, checksum=True) for name, content in CONTENTS.items()]


def arrived(files: Sequence[UploadedFile]) -> list[Received]:
    """What the server behind a form has to receive."""
    return [Received(file.name, file.size, hashlib.sha256(CONTENTS[file.name]).hexdigest()) for file in files]


IN_SHADOW = ["shadow-iframe", "closed-shadow-iframe", "closed-shadow-embed"]


def frame_of(page: Any, place: str) -> Any:
    """What holds the form or the drop zone of a page of `FormSite`, to look for elements in."""
    if place in IN_SHADOW:
        # No selector reaches into a closed shadow tree.
        return page.frames[1]
    for _ in range({"same-origin": 1, "cross-origin": 1, "scaled": 1, "nested": 2}.get(place, 0)):
        page = page.frame_locator("iframe")
    return page


class Twin:
    """Playwright's sync or async API, and the functions of this package that go with it."""

    def __init__(
        self,
        name: str,
        browser: Any,
        attach: Callable[..., Any],
        drop: Callable[..., Any],
        upload_and_attach: Callable[..., Any],
    ) -> None:
        self.name = name
        self.attach = attach
        self.drop = drop
        self.upload_and_attach = upload_and_attach
        self.context = browser.contexts[0]
        self._kept: Any = None

    def page(self) -> Any:
        """A page that other tests had before, unless they closed it: to open one costs more than most tests."""
        if self._kept is None or self._kept.is_closed():
            self._kept = self.new_page()
        return self._kept

    def new_page(self) -> Any:
        page = self.context.new_page()
        page.set_default_timeout(15_000)
        return page

    def choose(self, page: Any, button: str) -> Any:
        """Click a button, and return the FileChooser that it opens."""
        if not isinstance(page, Blocking):
            with page.expect_file_chooser() as chooser:
                page.click(button)
            return chooser.value

        async def choose(page: Any) -> Any:
            async with page.expect_file_chooser() as chooser:
                await page.click(button)
            return await chooser.value

        return page.call(choose)(page)


@pytest.fixture(scope="module")
def playwright() -> Iterator[Any]:
    """Playwright's sync API, which a thread can have but once, and no event loop of another beside it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module", params=["sync", "async"])
def twin(request: pytest.FixtureRequest, session: Session) -> Iterator[Twin]:
    from playwright.async_api import async_playwright

    from anchor_uploads import playwright as ours

    assert session.cdp_url is not None
    if request.param == "sync":
        browser: Any = request.getfixturevalue("playwright").chromium.connect_over_cdp(session.cdp_url)
        yield Twin(request.param, browser, ours.attach, ours.drop, ours.upload_and_attach)
        browser.close()
        return
    with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(async_playwright()) as started:
        browser = Blocking(started, portal).chromium.connect_over_cdp(session.cdp_url)

        async def upload_and_attach(client: UploadClient, *arguments: Any, **options: Any) -> UploadedFile:
            async with AsyncUploadClient.from_settings(client.settings) as twin_client:
                return await ours.upload_and_attach_async(twin_client, *arguments, **options)

        attach, drop = browser.call(ours.attach_async), browser.call(ours.drop_async)
        yield Twin(request.param, browser, attach, drop, browser.call(upload_and_attach))
        browser.close()


@pytest.fixture
def page(twin: Twin) -> Any:
    """A page to go elsewhere in. What would outlive that needs a page of its own."""
    return twin.page()


@pytest.fixture
def own_page(twin: Twin) -> Iterator[Any]:
    page = twin.new_page()
    yield page
    page.close()
