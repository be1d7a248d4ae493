"""CDP through the server's own port."""

from __future__ import annotations

import base64
import gc
import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from anchor_browser_api_models import ErrorResponse
from anchor_uploads import UploadClient
from anchor_uploads.local import LocalServer
from anchor_uploads.local.browser.chromium import BrowserProcess
from anchor_uploads.local.http import cdp_proxy
from support.plain_cdp import cdp

if TYPE_CHECKING:
    from conftest import Anchor

WaitUntil = Callable[[Callable[[], bool], str], None]
MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def session(with_browser: Anchor) -> dict[str, str]:
    """One for all who leave it as it was."""
    return started(with_browser)


def started(anchor: Anchor) -> dict[str, str]:
    session: dict[str, str] = anchor.client.post("/v1/sessions").json()["data"]
    return session


def refusal(url: str, **options: Any) -> tuple[int, str]:
    """What the server answers to a WebSocket handshake that it refuses."""
    with pytest.raises(InvalidStatus) as raised, connect(url, proxy=None, **options):
        pass
    response = raised.value.response
    body = json.loads(response.body or b"")
    ErrorResponse.model_validate(body, strict=True)
    assert body["error"]["code"] == response.status_code
    return response.status_code, body["error"]["message"]


def at(anchor: Anchor, query: str, path: str = "") -> str:
    return anchor.server.base_url.replace("http:", "ws:") + path + query


@pytest.mark.parametrize("key", ["", "wrong", "the key of the test", "%D0%BA", "%FF", "the key of the tests%00"])
def test_without_the_key_there_is_no_connection(anchor: Anchor, session_id: str, key: str) -> None:
    status, message = refusal(at(anchor, f"?apiKey={key.replace(' ', '%20')}&sessionId={session_id}"))
    assert status == 401
    assert "apiKey" in message
    assert refusal(at(anchor, f"?sessionId={session_id}"))[0] == 401
    assert refusal(at(anchor, f"?sessionId={session_id}"), additional_headers={"anchor-api-key": "x"})[0] == 401


def test_unknown_sessions_and_paths_are_404(anchor: Anchor, session_id: str) -> None:
    key = quote(anchor.server.api_key)
    assert refusal(at(anchor, f"?apiKey={key}"))[0] == 404
    assert "POST /v1/sessions" in refusal(at(anchor, f"?apiKey={key}&sessionId=nope"))[1]
    status, message = refusal(at(anchor, f"?apiKey={key}&sessionId={session_id}", "/devtools/browser/x"))
    assert status == 404
    assert "no WebSocket is at /devtools/browser/x" in message
    status, message = refusal(at(anchor, f"?apiKey={key}&sessionId={session_id}"))
    assert status == 404
    assert "has no browser" in message


def test_it_answers_to_its_own_names_only(anchor: Anchor) -> None:
    url = httpx.URL(anchor.server.base_url)
    head = b"GET / HTTP/1.1\r\nhost: evil.example\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"
    with socket.create_connection((url.host, url.port or 80), timeout=10) as connection:
        connection.sendall(head)
        assert connection.recv(65536).startswith(b"HTTP/1.1 421 ")


@pytest.mark.parametrize("upgrade", ["", "upgrade: websocket\r\nconnection: upgrade\r\n"], ids=["http", "websocket"])
def test_strangers_are_refused_whatever_they_ask_for(start: Callable[..., Anchor], upgrade: str) -> None:
    url = httpx.URL(start(allow_remote=True).server.base_url)
    targets = ("/", "//[", "[", "*", "http://[/", "/json/version?apiKey=%FF", "/v1/[?]#[")
    for host, target in product(("localhost", "[x]", "x:99999"), targets):
        with socket.create_connection((url.host, url.port or 80), timeout=10) as connection:
            connection.sendall(f"GET {target} HTTP/1.1\r\nhost: {host}\r\n{upgrade}\r\n".encode())
            reply = connection.recv(65536)
        assert reply.startswith((b"HTTP/1.1 401 ", b"HTTP/1.1 404 ")), (host, target, reply)


def test_what_is_no_handshake_is_refused(with_browser: Anchor, session: dict[str, str]) -> None:
    url = httpx.URL(with_browser.server.base_url)
    target = session["cdp_url"].rpartition("?")[2]
    head = f"GET /?{target} HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    with socket.create_connection((url.host, url.port or 80), timeout=10) as connection:
        connection.sendall(head.encode() + b"sec-websocket-key: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("by", ["query", "raw query", "header"])
def test_the_key_opens_the_session_s_browser(with_browser: Anchor, session: dict[str, str], by: str) -> None:
    key, session_id = with_browser.server.api_key, session["id"]
    assert session["cdp_url"] == at(with_browser, f"?apiKey={quote(key)}&sessionId={session_id}")
    url = at(with_browser, f"?sessionId={session_id}") if by == "header" else session["cdp_url"]
    headers = {"anchor-api-key": key, "origin": "http://a.page"} if by == "header" else {}
    if by == "raw query":
        url = at(with_browser, f"/?sessionId={session_id}&apiKey={quote(key, safe='')}")

    with cdp(url, additional_headers=headers) as browser:
        assert "Chrom" in browser.send("Browser.getVersion")["product"]


def test_the_browser_s_own_port_is_in_no_answer(with_browser: Anchor, session: dict[str, str]) -> None:
    port = (with_browser.directory / session["id"] / "profile" / "DevToolsActivePort").read_text().split()[0]
    live = session["live_view_url"]
    texts = [
        json.dumps(session),
        with_browser.client.get(f"/v1/sessions/{session['id']}").text,
        with_browser.client.get("/json/version", params={"sessionId": session["id"]}).text,
        *(httpx.get(live + path, trust_env=False).text for path in ("", "/state")),
    ]
    assert not [text for text in texts if re.search(rf"\b{port}\b|devtools/", text)]
    assert with_browser.server.api_key not in texts[3]


def test_no_page_of_the_browser_s_own_is_made_that_nobody_sees(session: dict[str, str]) -> None:
    with cdp(session["cdp_url"]) as browser:
        targets = browser.send("Target.getTargets", filter=[{}])["targetInfos"]
    assert [target["url"] for target in targets if target["url"].startswith("chrome:")] == []


@pytest.mark.parametrize("path", ["/json/version", "/json/version/"])
def test_clients_that_know_only_http_find_the_websocket(
    with_browser: Anchor, session: dict[str, str], path: str
) -> None:
    url = f"{with_browser.server.base_url}{path}"
    key = with_browser.server.api_key

    reply = httpx.get(url, params={"apiKey": key, "sessionId": session["id"]}, trust_env=False)

    assert reply.json()["webSocketDebuggerUrl"] == session["cdp_url"]
    assert httpx.get(url, params={"sessionId": session["id"]}, trust_env=False).status_code == 401
    assert httpx.get(url, params={"apiKey": key, "sessionId": "x"}, trust_env=False).status_code == 404


def test_messages_may_be_large_both_ways(session: dict[str, str]) -> None:
    with cdp(session["cdp_url"]) as browser:
        page = browser.page()
        received = browser.evaluate(page, f"'x'.repeat({110 * MEBIBYTE})")
        assert len(received) == 110 * MEBIBYTE
        assert set(received[:: 1 << 16]) == {"x"}
        text = "y" * (60 * MEBIBYTE)
        assert browser.evaluate(page, f"'{text}'.length") == len(text)


@contextmanager
def handshaken(cdp_url: str) -> Iterator[socket.socket]:
    """A client that has sent its handshake, and reads no more than it is told to."""
    url = httpx.URL(cdp_url.replace("ws:", "http:"))
    key = base64.b64encode(os.urandom(16)).decode()
    head = (
        f"GET {url.raw_path.decode()} HTTP/1.1\r\nhost: {url.netloc.decode()}\r\nupgrade: websocket\r\n"
        f"connection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n\r\n"
    )
    with socket.create_connection((url.host, url.port or 80), timeout=20) as connection:
        connection.sendall(head.encode())
        yield connection


@contextmanager
def unread(cdp_url: str) -> Iterator[socket.socket]:
    """A client that has asked for 16 MiB, and does not read them; as much waits for it as fits on the way."""

    def command(number: int, method: str, page: str = "", **parameters: object) -> bytes:
        message = {"id": number, "method": method, "params": parameters, **({"sessionId": page} if page else {})}
        text = json.dumps(message).encode()
        # Masked with zeros, which is allowed.
        return bytes([0x81, 0xFE, len(text) >> 8, len(text) & 255]) + bytes(4) + text

    with cdp(cdp_url) as helper:
        targets = helper.send("Target.getTargets")["targetInfos"]
        page_id = next(target["targetId"] for target in targets if target["type"] == "page")
    with handshaken(cdp_url) as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 101 ")
        connection.sendall(command(1, "Target.attachToTarget", targetId=page_id, flatten=True))
        answer = b""
        while b'"id":1' not in answer:
            answer += connection.recv(65536)
        attached = re.search(rb'"result":\{"sessionId":"(\w+)"', answer)
        assert attached is not None
        for number in (2, 3):
            text = f"'x'.repeat({8 * MEBIBYTE})"
            connection.sendall(command(number, "Runtime.evaluate", attached[1].decode(), expression=text))
        before, waiting = 0, 1
        while waiting > before:
            time.sleep(0.5)
            before, waiting = waiting, len(connection.recv(16 * MEBIBYTE, socket.MSG_PEEK))
        yield connection


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Where the server looks for a session's browser now: a socket that listens, and of which a test knows all."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listener:
        monkeypatch.setattr(BrowserProcess, "devtools_url", f"ws://127.0.0.1:{listener.getsockname()[1]}/")
        yield listener


def send_and_close(peer: socket.socket, mebibytes: int) -> None:
    """Be the browser: take one connection, and wait until the server has closed it, too."""
    connection, _address = peer.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(bytes(mebibytes * MEBIBYTE))
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


def received(connection: socket.socket) -> int:
    """How many bytes come until the other end closes."""
    count = 0
    while block := connection.recv(1 << 20):
        count += len(block)
    return count


def test_a_browser_is_stopped_by_a_client_that_does_not_read(session: dict[str, str], peer: socket.socket) -> None:
    with ThreadPoolExecutor(1) as pool, handshaken(session["cdp_url"]) as connection:
        sent = pool.submit(send_and_close, peer, 64)
        wait([sent], timeout=3)
        assert not sent.done()
        assert received(connection) == 64 * MEBIBYTE
        sent.result()


def test_what_the_browser_sent_before_it_closed_arrives(
    session: dict[str, str], peer: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The server takes all of it, more than its system does, and sees the end while it has much left to send.
    monkeypatch.setattr(cdp_proxy, "_BUFFER", 64 * MEBIBYTE)
    monkeypatch.setattr(cdp_proxy, "_FLUSH_SECONDS", 60)
    with ThreadPoolExecutor(1) as pool, handshaken(session["cdp_url"]) as connection:
        pool.submit(send_and_close, peer, 32).result()
        assert received(connection) == 32 * MEBIBYTE


def test_a_connection_that_has_closed_in_time_is_left_alone(
    session: dict[str, str], peer: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cdp_proxy, "_BUFFER", 64 * MEBIBYTE)
    monkeypatch.setattr(cdp_proxy, "_FLUSH_SECONDS", 1)
    with ThreadPoolExecutor(1) as pool, handshaken(session["cdp_url"]) as connection:
        pool.submit(send_and_close, peer, 32).result()
        received(connection)
    time.sleep(1.2)
    assert caplog.records == []


def connections() -> list[Any]:
    """The TCP connections of this process."""
    process = psutil.Process()
    # Of psutil 6.0, which called it otherwise before.
    listed = process.net_connections if hasattr(process, "net_connections") else process.connections
    return list(listed("tcp"))


def test_a_client_that_does_not_read_is_let_go_with_its_session(with_browser: Anchor, wait_until: WaitUntil) -> None:
    session = started(with_browser)
    with unread(session["cdp_url"]) as connection:
        client = connection.getsockname()[1]

        def served() -> bool:
            return any(each.raddr != () and each.raddr.port == client for each in connections())

        assert served()
        assert with_browser.client.delete(f"/v1/sessions/{session['id']}").status_code == 200
        wait_until(lambda: not served(), "the server has let go of it")


def test_a_server_lets_a_client_go_that_does_not_read_and_says_nothing(
    browser: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as serving:
        server = serving.enter_context(LocalServer(directory=tmp_path))
        with UploadClient(api_key=server.api_key, base_url=server.base_url) as client:
            cdp_url = client.create_session().cdp_url
        assert cdp_url is not None
        with unread(cdp_url):
            serving.close()
    # What it left open would say so.
    gc.collect()
    assert caplog.records == []


def test_a_browser_that_takes_no_connection_in_time_is_an_error(
    session: dict[str, str], peer: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cdp_proxy, "_CONNECT_SECONDS", 0.2)
    with ExitStack() as crowd:
        for _ in range(8):
            waiting = crowd.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(peer.getsockname())
        status, message = refusal(session["cdp_url"])
    assert status == 500
    assert message == "the session's browser does not answer: no connection in time"


def test_clients_come_and_go_while_the_browser_stays(with_browser: Anchor, session: dict[str, str]) -> None:
    with cdp(session["cdp_url"]) as first, cdp(session["cdp_url"]) as second:
        page = first.page()
        first.evaluate(page, "globalThis.here = 'still'")
        assert second.evaluate(second.page(), "here") == "still"
    with connect(session["cdp_url"], proxy=None) as broken:
        # Not close(): another thread reads from it, and on some systems would never wake.
        broken.socket.shutdown(socket.SHUT_RDWR)

    with cdp(session["cdp_url"]) as third:
        assert third.evaluate(third.page(), "here") == "still"
    assert with_browser.client.get(f"/v1/sessions/{session['id']}").status_code == 200


def test_the_end_of_the_session_closes_its_connections(with_browser: Anchor) -> None:
    session = started(with_browser)
    with connect(session["cdp_url"], proxy=None) as first, connect(session["cdp_url"], proxy=None) as second:
        assert with_browser.client.delete(f"/v1/sessions/{session['id']}").status_code == 200
        for connection in (first, second):
            with pytest.raises(ConnectionClosed):
                connection.recv(timeout=5)
    status, message = refusal(session["cdp_url"])
    assert status == 404
    assert "was ended" in message


def test_no_connection_is_left_open(with_browser: Anchor, session: dict[str, str], wait_until: WaitUntil) -> None:
    port = httpx.URL(with_browser.server.base_url).port
    browser_port = int(
        (with_browser.directory / session["id"] / "profile" / "DevToolsActivePort").read_text().split()[0]
    )

    def to_the_browser() -> int:
        return sum(
            connection.raddr != () and connection.raddr.port == browser_port
            for connection in connections()
            if connection.laddr.port != port and connection.status == "ESTABLISHED"
        )

    for broken in (False, True):
        with connect(session["cdp_url"], proxy=None) as connection:
            wait_until(lambda: to_the_browser() == 1, "there is a connection to the browser")
            if broken:
                connection.socket.shutdown(socket.SHUT_RDWR)
        wait_until(lambda: to_the_browser() == 0, "the connection to the browser is closed")


def test_playwright_connects_by_either_address(
    with_browser: Anchor, session: dict[str, str], browser: Path, tmp_path: Path
) -> None:
    playwright_api = pytest.importorskip("playwright.sync_api")
    key, session_id = with_browser.server.api_key, session["id"]
    file = tmp_path / "large.bin"
    file.write_bytes(os.urandom(8 * MEBIBYTE))
    addresses = [session["cdp_url"]]
    # Before, the path that it looks for became a part of the query.
    if tuple(map(int, version("playwright").split(".")[:2])) >= (1, 53):
        addresses.append(f"{with_browser.server.base_url}?apiKey={quote(key)}&sessionId={session_id}")

    with playwright_api.sync_playwright() as playwright:
        for address in addresses:
            connected = playwright.chromium.connect_over_cdp(address)
            page = connected.contexts[0].new_page()
            page.set_content("<input type=file><p style='height:4000px'>")
            page.set_input_files("input", file)
            assert page.evaluate("document.querySelector('input').files[0].size") == 8 * MEBIBYTE
            assert page.screenshot(full_page=True).startswith(b"\x89PNG")
            connected.close()

    assert with_browser.client.get(f"/v1/sessions/{session_id}").status_code == 200


def test_many_commands_at_once(session: dict[str, str]) -> None:
    wrong: list[object] = []

    def talk(number: int) -> None:
        with cdp(session["cdp_url"]) as browser:
            page = browser.page()
            for turn in range(20):
                if browser.evaluate(page, f"'{number}-{turn}'.repeat(10000)") != f"{number}-{turn}" * 10000:
                    wrong.append((number, turn))

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
