"""Fixtures for testing code that uploads into Anchor sessions, against a local Anchor:

    def test_the_report_is_sent(anchor_session, anchor_client):
        send_report(session_id=anchor_session.id)          # finds the local Anchor by its environment variables

    def test_it_survives_an_outage(anchor_session, anchor_faults):
        anchor_faults.add("upload_file", status=503, retry_after=0)
        send_report(session_id=anchor_session.id)

pytest loads this in every run of every project in the environment, so it imports nothing before a fixture is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from anchor_uploads import Session, UploadClient
    from anchor_uploads.local import LocalServer
    from anchor_uploads.local.faults import Faults

__all__ = ["anchor_client", "anchor_faults", "anchor_server", "anchor_server_options", "anchor_session"]


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
def anchor_session(anchor_client: UploadClient) -> Iterator[Session]:
    """A session in the local Anchor, ended after the test, with what was uploaded into it."""
    with anchor_client.session() as session:
        yield session


@pytest.fixture
def anchor_faults(anchor_server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    """The faults of the local Anchor, none before the test and none after it."""
    _lead_to(anchor_server, monkeypatch)
    anchor_server.faults.clear()
    yield anchor_server.faults
    anchor_server.faults.clear()


def _lead_to(server: LocalServer, environment: pytest.MonkeyPatch) -> None:
    # Once per run, and again per test, because tests may clean their environment.
    environment.setenv("ANCHORBROWSER_API_KEY", server.api_key)
    environment.setenv("ANCHORBROWSER_BASE_URL", server.base_url)
