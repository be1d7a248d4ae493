"""The page behind `live_view_url`, and what it asks the server for."""

from __future__ import annotations

import html
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import anyio
import httpx
import pytest

from anchor_uploads import Session, UploadClient
from anchor_uploads.local.browser import viewer
from anchor_uploads.local.browser.viewer import View, Viewer
from support.plain_cdp import cdp

if TYPE_CHECKING:
    from conftest import Anchor

WaitUntil = Callable[[Callable[[], bool], str], None]


@pytest.fixture
def client(with_browser: Anchor) -> Iterator[UploadClient]:
    with UploadClient(api_key=with_browser.server.api_key, base_url=with_browser.server.base_url) as client:
        yield client


@pytest.fixture
def session(client: UploadClient) -> Iterator[Session]:
    body = {"initial_url": "data:text/html,<title>A form</title><body style='background:rgb(0,200,0)'>"}
    with client.session(session=body) as session:
        yield session


def get(url: str | None) -> httpx.Response:
    assert url is not None
    return httpx.get(url, trust_env=False, timeout=20)


def test_the_page_lists_the_uploads_also_without_scripts(anchor: Anchor, session_id: str) -> None:
    name = "a&b.txt" if os.name == "nt" else "<script>alert(1)</script>{{id}}.txt".replace("/", "")
    anchor.client.post(f"/v1/sessions/{session_id}/uploads", files={"file": (name, b"12345")})

    page = get(f"{anchor.server.base_url}/live/{session_id}")

    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "5 bytes" in page.text
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)&lt;script&gt;{{id}}.txt" in page.text or os.name == "nt"
    assert anchor.server.api_key not in page.text


@pytest.mark.parametrize("name", ["a.txt", ".hidden", ".anchor-upload-mine.txt", f".anchor-upload-{'0' * 32}.part"])
def test_state_without_a_browser(anchor: Anchor, session_id: str, name: str) -> None:
    before = time.time()
    anchor.client.post(f"/v1/sessions/{session_id}/uploads", files={"file": (name, b"12345")})

    state = get(f"{anchor.server.base_url}/live/{session_id}/state").json()

    [upload] = state.pop("uploads")
    assert (upload["name"], upload["size"]) == (name, 5)
    assert before - 2 < upload["stored"] < time.time() + 2
    assert before - 60 < state.pop("created") <= time.time()
    assert state == {"browser": False, "url": "", "title": "", "tabs": 0}
    assert get(f"{anchor.server.base_url}/live/{session_id}/screenshot").status_code == 204


def test_a_file_is_shown_once_it_is_whole(anchor: Anchor, session_id: str, wait_until: WaitUntil) -> None:
    with anchor.raw_upload(session_id, b"content-length: 50000000") as connection:
        connection.sendall(b'--xBOUNDARYx\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n')
        connection.sendall(bytes(4_000_000))
        wait_until(lambda: bool(anchor.stored(session_id)), "the upload began")
        assert get(f"{anchor.server.base_url}/live/{session_id}/state").json()["uploads"] == []


def test_the_page_of_a_session_that_ended_says_why(anchor: Anchor) -> None:
    session_id = anchor.new_session()
    anchor.client.delete(f"/v1/sessions/{session_id}")

    page = get(f"{anchor.server.base_url}/live/{session_id}")

    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert f"session {session_id} was ended" in page.text
    unknown = get(f"{anchor.server.base_url}/live/<b>{{{{why}}}}")
    assert unknown.status_code == 404
    assert "<b>" not in unknown.text
    assert unknown.text.count("&lt;b&gt;{{why}}") == 3


def test_whoever_has_the_key_sees_all_sessions_and_their_uploads(start: Callable[..., Anchor]) -> None:
    anchor = start(api_key="+ /key")
    anchor.client.headers["anchor-api-key"] = "+ /key"
    sessions = [anchor.new_session() for _ in range(3)]
    anchor.client.delete(f"/v1/sessions/{sessions.pop(1)}")
    for name in ("{{sessions}}.txt", "a&b.txt"):
        anchor.client.post(f"/v1/sessions/{sessions[1]}/uploads", files={"file": (name, b"12345")})

    page = get(f"{anchor.server.base_url}/?apiKey=%2B%20%2Fkey")

    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-store"
    assert "2 sessions run" in page.text
    assert re.findall('href="/live/([^"]*)"', page.text) == sessions
    assert re.findall('class="name">([^<]*)', page.text) == ["a&amp;b.txt", "{{sessions}}.txt"]
    assert "/key" not in page.text
    assert anchor.client.get("/").text == page.text


@pytest.mark.parametrize("query", ["", "?apiKey=", "?apiKey=wrong"])
def test_who_has_no_key_is_shown_no_session(anchor: Anchor, session_id: str, query: str) -> None:
    reply = get(f"{anchor.server.base_url}/{query}")
    assert reply.status_code == 401
    assert "apiKey" in reply.json()["error"]["message"]
    assert session_id not in reply.text


def test_pages_ask_for_no_icon(anchor: Anchor, session_id: str) -> None:
    for path in (f"/live/{session_id}", "/live/unknown", "/"):
        page = anchor.client.get(path)
        assert '<link rel="icon" href="data:,">' in page.text
        assert "img-src 'self' blob: data:;" in page.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["", "/state", "/screenshot"])
def test_who_does_not_know_the_session_sees_nothing(anchor: Anchor, path: str) -> None:
    for unknown in ("unknown", "..", "%2e%2e"):
        # The client itself makes another path of "..": that of the sessions, for which it has no key.
        assert get(f"{anchor.server.base_url}/live/{unknown}{path}").status_code in (401, 404)


def test_looking_is_no_use_of_the_session(
    anchor: Anchor, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    monkeypatch.setattr("anchor_uploads.local.sessions._MINUTE", 0.3)
    body = {"session": {"timeout": {"idle_timeout": 2}}}
    session_id = anchor.client.post("/v1/sessions", json=body).json()["data"]["id"]

    def ended() -> bool:
        return get(f"{anchor.server.base_url}/live/{session_id}/state").status_code == 404

    wait_until(ended, "the idle session ended while somebody looked")


def test_a_title_is_what_the_page_says(client: UploadClient) -> None:
    title = "<b>&amp; \"'"
    body = {"initial_url": f"data:text/html,<title>{quote(html.escape(title))}</title>"}
    with client.session(session=body) as session:
        while (state := get(f"{session.live_view_url}/state").json())["title"] in ("", state["url"]):
            time.sleep(0.05)
    assert state["title"] == title


def test_it_shows_the_page_used_last(session: Session) -> None:
    assert session.cdp_url is not None
    with cdp(session.cdp_url) as browser:
        new = browser.send("Target.createTarget", url="data:text/html,<title>Second</title>two")["targetId"]
        attached = browser.send("Target.attachToTarget", targetId=new, flatten=True)["sessionId"]
        while browser.evaluate(attached, "document.title") != "Second":
            time.sleep(0.02)
    time.sleep(viewer._SECONDS_BETWEEN)
    state = get(f"{session.live_view_url}/state").json()
    assert (state["title"], state["tabs"]) == ("Second", 2)
    picture = get(f"{session.live_view_url}/screenshot")
    assert picture.headers["content-type"] == "image/jpeg"
    assert picture.content.startswith(b"\xff\xd8\xff")


@pytest.mark.anyio
async def test_the_browser_is_looked_at_at_most_twice_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []

    async def look(self: Viewer) -> View:
        looked.append(time.monotonic())
        await anyio.sleep(0.05)
        return View(tabs=len(looked))

    monkeypatch.setattr(Viewer, "_look", look)
    one = Viewer("ws://127.0.0.1:1/devtools/browser/x")
    until = time.monotonic() + 1.2
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            while time.monotonic() < until:
                assert (await one.look()).tabs >= 1
                await anyio.sleep(0.01)

        for _ in range(5):
            tasks.start_soon(watch)

    assert 2 <= len(looked) <= 3


@pytest.mark.anyio
async def test_a_browser_that_does_not_answer_is_an_oserror() -> None:
    for answer in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"HTTP/1.1 200 OK\r\n\r\n"):

        async def serve(stream: anyio.abc.SocketStream, answer: bytes = answer) -> None:
            async with stream:
                await stream.receive()
                await stream.send(answer)

        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, serve)
            if answer.endswith(b"{}"):
                assert await Viewer(f"ws://127.0.0.1:{port}/x").look() == View()
            else:
                with pytest.raises(OSError, match="does not"):
                    await Viewer(f"ws://127.0.0.1:{port}/x").look()
            tasks.cancel_scope.cancel()


def test_another_session_s_browser_watches_it_live(
    with_browser: Anchor, client: UploadClient, session: Session, browser: Path
) -> None:
    playwright_api = pytest.importorskip("playwright.sync_api")
    problems: list[Any] = []
    with client.session() as watching, playwright_api.sync_playwright() as playwright:
        page = playwright.chromium.connect_over_cdp(watching.cdp_url).contexts[0].new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console", lambda message: problems.append(message.text) if "security" in message.text.lower() else None
        )
        page.goto(session.live_view_url)

        page.get_by_text("Nothing was uploaded yet.").wait_for()
        page.get_by_text("A form").wait_for()
        page.locator("#screen").wait_for()
        colour = page.evaluate(
            """async () => {
                const screen = document.getElementById("screen");
                await screen.decode();
                const canvas = new OffscreenCanvas(1, 1).getContext("2d");
                canvas.drawImage(screen, 0, 0, 1, 1);
                return Array.from(canvas.getImageData(0, 0, 1, 1).data);
            }"""
        )
        assert colour[1] > 150 > colour[0]

        client.upload_file(session.id, b"x" * 70_000, filename="first.pdf")
        page.get_by_role("row", name="first.pdf 68.4 KiB").wait_for()
        client.upload_file(session.id, b"x", filename="<b>second</b>.txt".replace("/", "") if os.name != "nt" else "s")
        page.get_by_text("2 files").wait_for()
        assert page.locator("#uploads b").count() == 0
        client.upload_file(session.id, b"x" * 1024, filename="first.pdf")
        page.get_by_role("row", name="first.pdf 1.0 KiB").wait_for()
        assert with_browser.server.api_key not in page.content()

        client.end_session(session.id)
        page.get_by_text("was ended").wait_for()
    assert problems == []
