"""A name is refused before anything is sent, or it is the same at every stop: wire, parsers, disk, page."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from anchor_uploads import SourceError, UploadClient, UploadedFile
from anchor_uploads.cdp import set_input_files
from support import names, node, parsers
from support.plain_cdp import cdp
from support.raw_server import RawServer
from support.twins import KEY, SESSION

if TYPE_CHECKING:
    from conftest import Anchor


@pytest.fixture(params=["own", "naughty"])
def listed(request: pytest.FixtureRequest) -> list[str]:
    try:
        return names.own() if request.param == "own" else names.naughty()
    except node.NodeMissing as missing:
        pytest.skip(str(missing))


def accepted(upload: Callable[[str], Any], listed: list[str]) -> list[str]:
    """Upload under each name, and return those that were not refused."""
    sent = []
    for name in listed:
        try:
            upload(name)
        except SourceError:
            continue
        sent.append(name)
    return sent


def test_three_parsers_read_the_name_that_was_sent(listed: list[str], raw_server: RawServer) -> None:
    with UploadClient(api_key=KEY, base_url=raw_server.base_url) as client:
        sent = accepted(lambda name: client.upload_file(SESSION, name.encode(), filename=name), listed)
    bodies = [(request.headers["content-type"], bytes(request.body)) for request in raw_server.requests]
    expected = [
        [parsers.Part("file", name, len(name.encode()), hashlib.sha256(name.encode()).hexdigest())] for name in sent
    ]

    def taken_back(parts: list[parsers.Part]) -> list[parsers.Part]:
        return [parsers.Part(it.field, it.filename.replace("%22", '"'), it.size, it.sha256) for it in parts]

    assert [taken_back(parsers.python_multipart(*body)) for body in bodies] == expected
    assert [parsers.werkzeug(*body) for body in bodies] == expected
    assert [taken_back(parts) for parts in parsers.busboy_each(bodies)] == expected


def test_the_disk_and_the_page_have_the_name_that_was_sent(listed: list[str], with_browser: Anchor) -> None:
    session = with_browser.client.post("/v1/sessions").json()["data"]
    uploaded: list[UploadedFile] = []
    with UploadClient(api_key="the key of the tests", base_url=with_browser.server.base_url) as client:
        sent = accepted(
            lambda name: uploaded.append(client.upload_file(session["id"], name.encode(), filename=name)), listed
        )
    assert with_browser.stored(session["id"]) == {name: name.encode() for name in sent}
    with cdp(session["cdp_url"]) as browser:
        page = browser.page()
        found = (
            "document.body.appendChild(Object.assign(document.createElement('input'), {type: 'file', multiple: true}))"
        )
        element = browser.send("Runtime.evaluate", page, expression=found)["result"]
        set_input_files(lambda method, params: browser.send(method, page, **params), element, *uploaded)
        assert browser.evaluate(page, "[...document.querySelector('input').files].map(file => file.name)") == sent
    with_browser.client.delete(f"/v1/sessions/{session['id']}")
