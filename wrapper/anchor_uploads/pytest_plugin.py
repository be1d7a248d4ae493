"""Fixtures for testing code that uploads into Anchor sessions, against a local Anchor.

pytest loads this in every run of every project in the environment, so it imports nothing before a fixture is asked for.

Example:
    >>> def test_the_report_is_sent(anchor_server, anchor_session):
    ...     send_report(session_id=anchor_session.id)  # finds the local Anchor by its environment variables
    ...     report = anchor_server.wait_for_upload(anchor_session.id, "report.csv")
    ...     assert report.read_bytes() == b"quarterly figures"
    >>> def test_it_survives_an_outage(anchor_session, anchor_faults):
    ...     anchor_faults.add("upload_file", status=503, retry_after=0)
    ...     send_report(session_id=anchor_session.id)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from anchor_uploads import AsyncUploadClient, Session, UploadClient
    from anchor_uploads.local import LocalServer
    from anchor_uploads.local.faults import Faults

__all__ = [
    "anchor_async_client",
    "anchor_client",
    "anchor_faults",
    "anchor_page",
    "anchor_server",
    "anchor_server_options",
    "anchor_session",
]


@pytest.fixture(scope="session")
def anchor_server_options() -> dict[str, Any]:
    """What `LocalServer` is made with. Override it in your conftest.py, for example to return {"browser": False}."""
    return {}


@pytest.fixture(scope="session")
def anchor_server(anchor_server_options: dict[str, Any]) -> Iterator[LocalServer]:
    """A local Anchor, one for the whole run. ANCHORBROWSER_API_KEY and ANCHORBROWSER_BASE_URL lead to it."""
    from anchor_uploads.local import LocalServer

    with LocalServer(**anchor_server_options) as server, pytest.MonkeyPatch.context() as environment:
        _lead_to(server, environment)
        yield server


@pytest.fixture
def anchor_client(anchor_server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[UploadClient]:
    """An `UploadClient` of the local Anchor."""
    from anchor_uploads import UploadClient

    _lead_to(anchor_server, monkeypatch)
    with UploadClient(api_key=anchor_server.api_key, base_url=anchor_server.base_url) as client:
        yield client


@pytest.fixture
def anchor_async_client(anchor_server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[AsyncUploadClient]:
    """An `AsyncUploadClient` of the local Anchor, whichever plugin runs the test, on asyncio or trio."""
    from concurrent.futures import ThreadPoolExecutor

    import anyio

    from anchor_uploads import AsyncUploadClient

    _lead_to(anchor_server, monkeypatch)
    client = AsyncUploadClient(api_key=anchor_server.api_key, base_url=anchor_server.base_url)
    yield client
    # The test's event loop closes the connections when it ends; it may have, and is not ours to run. This is for those
    # who kept the client, and in a thread, because plugins keep their loop in this one.
    with ThreadPoolExecutor(1) as aside:
        aside.submit(anyio.run, client.close).result()


@pytest.fixture
def anchor_session(anchor_client: UploadClient) -> Iterator[Session]:
    """A session in the local Anchor, ended after the test, with what was uploaded into it."""
    with anchor_client.session() as session:
        yield session


@pytest.fixture
def anchor_page(anchor_session: Session, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A new page in the browser of `anchor_session`, of Playwright's sync API: for tests that are not async."""
    with ExitStack() as stack:
        browser = _playwright(request, stack).chromium.connect_over_cdp(anchor_session.cdp_url)
        stack.callback(browser.close)
        yield browser.contexts[0].new_page()


@pytest.fixture
def anchor_faults(anchor_server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    """The faults of the local Anchor, none before the test and none after it."""
    _lead_to(anchor_server, monkeypatch)
    anchor_server.faults.clear()
    yield anchor_server.faults
    anchor_server.faults.clear()


def _playwright(request: pytest.FixtureRequest, stack: ExitStack) -> Any:
    try:
        # That of pytest-playwright, where it is installed: there cannot be two in one thread.
        return request.getfixturevalue("playwright")
    except pytest.FixtureLookupError:
        pass
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError as missing:
        raise pytest.UsageError(
            f"anchor_page needs the package {missing.name!r}, which is not installed; "
            'run: pip install "anchor-uploads[playwright]"'
        ) from None
    return stack.enter_context(sync_playwright())


def _lead_to(server: LocalServer, environment: pytest.MonkeyPatch) -> None:
    # Once per run, and again per test, because tests may clean their environment.
    environment.setenv("ANCHORBROWSER_API_KEY", server.api_key)
    environment.setenv("ANCHORBROWSER_BASE_URL", server.base_url)
    # Our clients ask no proxy for this machine; others in the tests would, and tell it the key.
    # They ask the lower case first, so what stood in one alone has to stand in both.
    hosts = [host for host in (os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")).split(",") if host]
    # All hosts, to some of them only as long as it is alone.
    if hosts != ["*"]:
        hosts += ["127.0.0.1", "localhost"]
    for name in ("NO_PROXY", "no_proxy"):
        environment.setenv(name, ",".join(dict.fromkeys(hosts)))
