"""What a test is told of what arrived, and when."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest

from anchor_uploads.local import LocalServer, ReceivedRequest, ReceivedUpload
from anchor_uploads.local.disk import uploads
from anchor_uploads.local.records import Records

if TYPE_CHECKING:
    from conftest import Anchor

WaitUntil = Callable[[Callable[[], bool], str], None]


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def send(anchor: Anchor, session_id: str, name: str, content: bytes, headers: str = "") -> None:
    lines = ["--xBOUNDARYx", f'Content-Disposition: form-data; name="file"; filename="{name}"', headers]
    head = "\r\n".join(line for line in lines if line).encode()
    assert anchor.upload(session_id, head + b"\r\n\r\n" + content + b"\r\n--xBOUNDARYx--\r\n").status_code == 200


def test_uploads_are_told_as_they_arrived_and_lie_on_the_disk(anchor: Anchor, session_id: str) -> None:
    other = anchor.new_session()
    rows: list[tuple[str, bytes, str, str | None]] = [
        ("b.csv", b"a,b\n" * 1_000_000, "content-type:  text/csv; charset=utf-8 ", "text/csv; charset=utf-8"),
        ("é a.txt", b"", "Content-Type: text/plain", "text/plain"),
        ("none", b"\0\r\n--xBOUNDARY", "", None),
    ]
    for name, content, header, _ in rows:
        send(anchor, session_id, name, content, header)
    send(anchor, other, "elsewhere", b"x")

    told = anchor.server.uploads(session_id)

    directory = anchor.uploads(session_id)
    assert told == tuple(
        ReceivedUpload(name, len(content), content_type, hashlib.sha256(content).hexdigest(), directory / name)
        for name, content, _, content_type in rows
    )
    assert [upload.read_bytes() for upload in told] == [content for _, content, _, _ in rows]
    assert anchor.server.uploads(UUID(session_id)) == told
    anchor.client.delete(f"/v1/sessions/{other}")


def test_a_file_that_replaces_another_is_told_once_where_it_arrived(anchor: Anchor, session_id: str) -> None:
    for name, content in [("a", b"old"), ("b", b"b"), ("a", b"newer")]:
        send(anchor, session_id, name, content)
    told = anchor.server.uploads(session_id)
    assert [(upload.name, upload.size, upload.read_bytes()) for upload in told] == [("b", 1, b"b"), ("a", 5, b"newer")]


def test_what_is_told_of_a_name_is_told_of_the_file_that_is_there_however_late_its_thread(
    anchor: Anchor, session_id: str, aside: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = uploads.StoredNames.put
    stored, replaced = threading.Event(), threading.Event()

    def put_and_wait(*arguments: Any) -> None:
        put(*arguments)
        if not stored.is_set():
            stored.set()
            replaced.wait(10)

    monkeypatch.setattr(uploads.StoredNames, "put", put_and_wait)
    first = aside.submit(send, anchor, session_id, "a", b"old")
    assert stored.wait(10)
    send(anchor, session_id, "a", b"newer")
    replaced.set()
    first.result(10)

    [told] = anchor.server.uploads(session_id)
    assert (told.size, told.sha256) == (5, hashlib.sha256(b"newer").hexdigest())
    assert told.read_bytes() == b"newer"


def test_what_was_not_stored_has_not_arrived(anchor: Anchor, session_id: str) -> None:
    broken_off = b'--xBOUNDARYx\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc'
    assert anchor.upload(session_id, broken_off).status_code == 400
    assert anchor.server.uploads(session_id) == ()


def test_of_a_session_that_does_not_run_it_is_told_why(anchor: Anchor) -> None:
    ended = anchor.new_session()
    send(anchor, ended, "a", b"x")
    anchor.client.delete(f"/v1/sessions/{ended}")
    with pytest.raises(LookupError, match="was ended; create another"):
        anchor.server.uploads(ended)
    with pytest.raises(LookupError, match="no session 'unknown' runs"):
        anchor.server.uploads("unknown")
    with pytest.raises(LookupError, match="was ended"):
        anchor.server.wait_for_upload(ended)
    with pytest.raises(RuntimeError, match="does not run"):
        LocalServer(browser=False).uploads(ended)


def test_what_is_there_already_is_not_waited_for(start: Callable[..., Anchor]) -> None:
    anchor = start()
    sessions = [anchor.new_session(), anchor.new_session()]
    for session_id in sessions:
        for name in ("a", "b"):
            send(anchor, session_id, name, session_id.encode())

    def found(session_id: str | None, name: str | None) -> tuple[str, bytes]:
        upload = anchor.server.wait_for_upload(session_id, name, timeout=0)
        return upload.name, upload.read_bytes()

    first, second = sessions
    assert found(None, None) == ("a", first.encode())
    assert found(None, "b") == ("b", first.encode())
    assert found(second, None) == ("a", second.encode())
    assert found(second, "b") == ("b", second.encode())


def test_what_is_waited_for_is_had_when_it_arrives(
    anchor: Anchor, session_id: str, aside: ThreadPoolExecutor, wait_until: WaitUntil
) -> None:
    waiting: Future[ReceivedUpload] = aside.submit(anchor.server.wait_for_upload, session_id, "b")
    for name in ("a", "c"):
        send(anchor, session_id, name, b"x")
    wait_until(waiting.running, "it waits")
    assert not waiting.done()

    send(anchor, session_id, "b", b"content")

    assert waiting.result(10).read_bytes() == b"content"


def test_who_waited_in_vain_is_told_what_arrived(anchor: Anchor, session_id: str) -> None:
    send(anchor, session_id, "other.txt", b"abc")
    anchor.client.post(f"/v1/sessions/{session_id}/uploads?a=b")
    with pytest.raises(TimeoutError) as raised:
        anchor.server.wait_for_upload(session_id, "a.txt", timeout=0.05)
    assert f"no upload named 'a.txt' arrived in session {session_id} within 0.05 seconds" in str(raised.value)
    assert "'other.txt' (3 bytes)" in str(raised.value)
    assert f"POST /v1/sessions/{session_id}/uploads 400" in str(raised.value)


def test_nobody_waits_for_what_cannot_come(
    start: Callable[..., Anchor], aside: ThreadPoolExecutor, wait_until: WaitUntil
) -> None:
    anchor = start()
    session_id = anchor.new_session()
    waiting = aside.submit(anchor.server.wait_for_upload, session_id, timeout=60)
    wait_until(waiting.running, "it waits")
    anchor.client.delete(f"/v1/sessions/{session_id}")
    with pytest.raises(LookupError, match="was ended"):
        waiting.result(10)

    waiting = aside.submit(anchor.server.wait_for_upload, timeout=60)
    wait_until(waiting.running, "it waits")
    anchor.server.__exit__(None, None, None)
    with pytest.raises(RuntimeError, match=r"has ended|does not run"):
        waiting.result(10)


def test_whoever_has_an_answer_finds_the_request(anchor: Anchor, session_id: str) -> None:
    key = anchor.server.api_key
    large = b"x" * 3_000_000
    rows: list[tuple[str, str, dict[str, str], bytes, int]] = [
        ("GET", f"/v1/sessions/{session_id}", {}, b"", 200),
        ("POST", f"/v1/sessions/{session_id}/uploads", {}, large, 400),
        ("POST", f"/v1/sessions/{session_id}/uploads", {"anchor-api-key": "wrong"}, large, 401),
        ("GET", "/v1/sessions/a%20b", {}, b"", 404),
        ("PUT", "/v1/sessions", {}, b"", 405),
        ("GET", "/json/version", {"host": "elsewhere"}, b"", 421),
        ("GET", "/v1/unknown", {}, b"", 501),
        ("GET", "/elsewhere", {}, b"", 404),
    ]
    for method, path, headers, content, status in rows:
        before = len(anchor.server.requests)
        anchor.client.request(method, f"{path}?apiKey={key}", headers=headers, content=content)
        [told] = anchor.server.requests[before:]
        assert (told.method, told.path, told.status) == (method, path.replace("%20", " "), status)
        assert 0 <= told.seconds < 60
        assert key not in repr(told)


def test_what_a_test_or_a_live_view_asks_is_no_request_to_anchor(anchor: Anchor, session_id: str) -> None:
    before = anchor.server.requests
    for path in ("/healthz", "/local/faults", f"/live/{session_id}", f"/live/{session_id}/state"):
        assert anchor.client.get(path).status_code == 200
    assert anchor.server.requests == before


@pytest.mark.parametrize("how", ["in the body", "before the answer", "by a fault in place of the answer"])
def test_a_connection_that_breaks_before_the_answer_has_no_status(
    anchor: Anchor, session_id: str, how: str, wait_until: WaitUntil
) -> None:
    before = len(anchor.server.requests)
    if how == "in the body":
        with anchor.raw_upload(session_id, b"content-length: 90000000") as connection:
            connection.sendall(b"--xBOUNDARYx\r\n")
        path = f"/v1/sessions/{session_id}/uploads"
    else:
        broken = how == "before the answer"
        anchor.server.faults.add("get_session", delay=0.3 if broken else 0, drop_answer=not broken)
        path = f"/v1/sessions/{session_id}"
        url = httpx.URL(anchor.server.base_url)
        with socket.create_connection((url.host, url.port or 80), timeout=10) as connection:
            head = f"GET {path} HTTP/1.1\r\nhost: localhost\r\nanchor-api-key: {anchor.server.api_key}\r\n\r\n"
            connection.sendall(head.encode())
            if not broken:
                with suppress(ConnectionResetError):
                    assert connection.recv(1) == b""

    wait_until(lambda: len(anchor.server.requests) > before, "the request has ended")
    [told] = anchor.server.requests[before:]
    assert (told.path, told.status) == (path, None)


@pytest.mark.parametrize("size", [1, 20_000_000])
def test_a_request_that_makes_the_server_fail_is_a_500_which_breaks_no_connection_that_it_keeps(
    anchor: Anchor, session_id: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    def fail(self: object, data: bytearray) -> None:
        raise ZeroDivisionError("by the test")

    files = {"file": ("a.txt", b"x" * size)}
    for _ in range(5):
        with monkeypatch.context() as failing:
            failing.setattr(uploads._PartialFile, "write", fail)
            reply = anchor.client.post(f"/v1/sessions/{session_id}/uploads", files=files)
        assert (reply.status_code, anchor.server.requests[-1].status) == (500, 500)
        assert "ZeroDivisionError" in reply.json()["error"]["message"]
        # httpx does not send again what meets a connection that the server closed.
        assert anchor.client.get(f"/v1/sessions/{session_id}").status_code == 200
    assert caplog.text.count("ZeroDivisionError: by the test") == 5


def test_of_very_many_requests_the_newest_are_kept() -> None:
    records = Records()
    for number in range(10_003):
        records.add_request(ReceivedRequest("GET", str(number), 200, 0.0))
    assert [request.path for request in records.requests] == [str(number) for number in range(3, 10_003)]


def test_each_life_of_a_server_has_records_of_its_own_which_outlive_it() -> None:
    server = LocalServer(browser=False)
    for _ in range(2):
        with server:
            httpx.get(f"{server.base_url}/v1/sessions/x", trust_env=False)
        assert [request.status for request in server.requests] == [401]
