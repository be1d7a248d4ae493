"""Faults on demand: what was asked for happens to the requests that were meant, and to no others."""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from anchor_browser_api_models import ErrorResponse, UploadFailed, UploadSessionNotFound
from anchor_uploads import OutcomeUnknown, UploadClient
from anchor_uploads.local.faults import OPERATIONS, Fault, Faults
from anchor_uploads.local.http.app import _NOT_HERE

if TYPE_CHECKING:
    from conftest import Anchor

WaitUntil = Callable[[Callable[[], bool], str], None]


@pytest.fixture
def faults(anchor: Anchor) -> Iterator[Faults]:
    yield anchor.server.faults
    anchor.server.faults.clear()


def upload(anchor: Anchor, session_id: str, size: int = 3) -> httpx.Response:
    return anchor.client.post(f"/v1/sessions/{session_id}/uploads", files={"file": ("a.txt", b"x" * size)})


@pytest.mark.parametrize("times", [1, 2])
def test_the_next_requests_fail_and_the_one_after_does_not(
    anchor: Anchor, session_id: str, faults: Faults, times: int
) -> None:
    faults.add("upload_file", status=503, retry_after=7, times=times)

    for _ in range(times):
        assert anchor.client.get(f"/v1/sessions/{session_id}").status_code == 200
        reply = upload(anchor, session_id, 3_000_000)
        assert reply.status_code == 503
        assert reply.headers["retry-after"] == "7"
        ErrorResponse.model_validate(reply.json(), strict=True)
    assert anchor.stored(session_id) == {}

    assert upload(anchor, session_id).status_code == 200
    assert anchor.stored(session_id) == {"a.txt": b"xxx"}


def test_each_operation_and_session_has_faults_of_its_own(anchor: Anchor, session_id: str, faults: Faults) -> None:
    other = anchor.new_session()
    faults.add("upload_file", status=500, session_id=other, times=None)
    faults.add("upload_file", status=404, session_id=session_id)
    faults.add("create_session", status=402)
    faults.add("get_session", status=418, body="a teapot")
    faults.add("end_session", status=500, body={"error": None})

    UploadSessionNotFound.model_validate(upload(anchor, session_id).json(), strict=True)
    assert upload(anchor, session_id).status_code == 200
    for _ in range(3):
        UploadFailed.model_validate(upload(anchor, other).json(), strict=True)
    assert anchor.client.post("/v1/sessions").status_code == 402
    teapot = anchor.client.get(f"/v1/sessions/{session_id}")
    assert (teapot.status_code, teapot.text) == (418, "a teapot")
    ended = anchor.client.delete(f"/v1/sessions/{other}")
    assert (ended.status_code, ended.json()) == (500, {"error": None})
    assert anchor.client.delete(f"/v1/sessions/{other}").status_code == 200
    assert [fault.session_id for fault in faults.pending] == [other]


def test_faults_of_all_sessions_are_not_those_of_one(anchor: Anchor, session_id: str, faults: Faults) -> None:
    faults.add("get_session", status=500)
    faults.add("end_session", status=500)
    faults.add("list_sessions", status=503, retry_after=1)
    faults.add("end_all_sessions", status=429)

    for method, path, status in (("GET", "/all/status", 503), ("DELETE", "/all", 429)):
        reply = anchor.client.request(method, f"/v1/sessions{path}")
        assert reply.status_code == status
        ErrorResponse.model_validate(reply.json(), strict=True)
        assert anchor.client.get("/v1/sessions/all/status").status_code == 200
    assert [fault.operation for fault in faults.pending] == ["get_session", "end_session"]
    for method in ("GET", "DELETE"):
        assert anchor.client.request(method, f"/v1/sessions/{session_id}").status_code == 500


@pytest.mark.parametrize(("method", "path"), [*_NOT_HERE, ("GET", "/v1/sessions/all"), ("POST", "/v1/sessions/")])
def test_what_is_no_operation_meets_no_fault(anchor: Anchor, faults: Faults, method: str, path: str) -> None:
    for operation in OPERATIONS:
        faults.add(operation, status=503)
    pending = faults.pending
    assert anchor.client.request(method, path).status_code in (405, 501)
    assert faults.pending == pending


@pytest.mark.parametrize("status", [200, 204, 304, 400, 429, 500, 520, 599])
def test_every_status_can_be_had(anchor: Anchor, session_id: str, faults: Faults, status: int) -> None:
    faults.add("upload_file", status=status)
    assert upload(anchor, session_id).status_code == status
    assert upload(anchor, session_id).status_code == 200


def test_without_the_key_no_fault_is_met(anchor: Anchor, session_id: str, faults: Faults) -> None:
    faults.add("get_session", status=500)
    url = f"{anchor.server.base_url}/v1/sessions/{session_id}"
    assert httpx.get(url, trust_env=False).status_code == 401
    assert anchor.client.get(url).status_code == 500


def test_a_delay(anchor: Anchor, session_id: str, faults: Faults) -> None:
    faults.add("get_session", delay=0.4)
    # Windows counts in steps of 16 ms.
    for at_least, less_than in ((0.35, 5.0), (0.0, 0.35)):
        began = time.monotonic()
        assert anchor.client.get(f"/v1/sessions/{session_id}").status_code == 200
        assert at_least <= time.monotonic() - began < less_than


@pytest.mark.parametrize("drop_after", [0, 1, 3_000_000])
@pytest.mark.parametrize("status", [None, 503])
def test_the_connection_breaks_in_the_body(
    anchor: Anchor, session_id: str, faults: Faults, drop_after: int, status: int | None, wait_until: WaitUntil
) -> None:
    faults.add("upload_file", drop_after=drop_after, status=status)
    head = b'--xBOUNDARYx\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    sent = 0

    with (
        anchor.raw_upload(session_id, b"content-length: 60000000") as connection,
        pytest.raises(OSError),  # noqa: PT011  its words differ between systems
    ):
        connection.sendall(head)
        while sent < 60_000_000:
            sent += connection.send(b"x" * 100_000)
            # Else what the system keeps on its way would be all of it.
            time.sleep(0.001)

    assert drop_after <= sent < 30_000_000
    wait_until(lambda: anchor.stored(session_id) == {}, "nothing is left")
    assert upload(anchor, session_id).status_code == 200


def test_all_is_done_but_nobody_says_so(anchor: Anchor, session_id: str, faults: Faults) -> None:
    faults.add("upload_file", drop_answer=True)
    with (
        UploadClient(api_key=anchor.server.api_key, base_url=anchor.server.base_url) as client,
        pytest.raises(OutcomeUnknown),
    ):
        client.upload_file(session_id, b"content", filename="a.txt")
    assert anchor.stored(session_id) == {"a.txt": b"content"}


def test_a_slow_server_is_as_slow_as_asked(anchor: Anchor, session_id: str, faults: Faults) -> None:
    faults.add("upload_file", bytes_per_second=4_000_000)
    began = time.monotonic()
    assert upload(anchor, session_id, 4_000_000).status_code == 200
    assert 0.9 < time.monotonic() - began < 5
    assert len(anchor.stored(session_id)["a.txt"]) == 4_000_000


def test_our_client_gets_over_what_passes(anchor: Anchor, session_id: str, faults: Faults) -> None:
    faults.add("upload_file", status=503, retry_after=0)
    faults.add("upload_file", status=429, retry_after=0)
    with UploadClient(api_key=anchor.server.api_key, base_url=anchor.server.base_url, max_retries=2) as client:
        assert client.upload_file(session_id, b"content", filename="a.txt").attempts == 3


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"operation": "upload"}, "upload_file, create_session"),
        ({"operation": None}, "upload_file, create_session"),
        ({"operation": "upload_file"}, "does nothing"),
        ({"operation": "upload_file", "status": 99}, "status is 99"),
        ({"operation": "upload_file", "status": True}, "status is True"),
        ({"operation": "upload_file", "status": "503"}, "status is '503'"),
        ({"operation": "upload_file", "status": 503, "times": 0}, "times is 0"),
        ({"operation": "upload_file", "delay": -1}, "delay is -1"),
        ({"operation": "upload_file", "delay": "1"}, "delay is '1'"),
        ({"operation": "upload_file", "drop_after": 1.5}, "drop_after is 1.5"),
        ({"operation": "upload_file", "bytes_per_second": 0}, "bytes_per_second is 0"),
        ({"operation": "upload_file", "drop_answer": 1}, "drop_answer is 1"),
        ({"operation": "upload_file", "retry_after": 5}, "pass status, too"),
        ({"operation": "upload_file", "status": 503, "retry_after": "a\r\nb"}, "retry_after"),
        ({"operation": "upload_file", "status": 503, "retry_after": " 5"}, "retry_after"),
        ({"operation": "upload_file", "status": 503, "retry_after": float("inf")}, "retry_after"),
        ({"operation": "upload_file", "status": 503, "body": "\ud800"}, "body cannot be written"),
        ({"operation": "upload_file", "status": 503, "body": {"\ud800": 1}}, "body cannot be written"),
        ({"operation": "upload_file", "status": 503, "body": [float("nan")]}, "body cannot be written"),
        ({"operation": "upload_file", "session_id": "\ud800", "status": 503}, "session_id cannot be written"),
        ({"operation": "upload_file", "session_id": 5, "status": 503}, "session_id is 5"),
        ({"operation": "upload_file", "delay": 10**400}, "delay is 1000"),
        ({"operation": "upload_file", "\ud800": 1}, "no \\ud800"),
        ({"operation": "upload_file", "code": 503, "self": 1}, "no code, self"),
        ([], "JSON object"),
    ],
)
def test_what_cannot_be_meant_is_said_both_ways(anchor: Anchor, faults: Faults, fields: Any, problem: str) -> None:
    reply = anchor.client.post("/local/faults", content=json.dumps(fields))

    assert reply.status_code == 400
    ErrorResponse.model_validate(reply.json(), strict=True)
    assert problem in reply.json()["error"]["message"]
    if isinstance(fields, dict):
        rest = {name: value for name, value in fields.items() if name != "operation"}
        with pytest.raises(ValueError, match=re.escape(problem)):
            faults.add(fields["operation"], **rest)
    assert faults.pending == ()


def test_faults_by_http(anchor: Anchor, session_id: str, faults: Faults) -> None:
    wanted = {"operation": "get_session", "status": 503, "times": 3, "retry_after": 2}

    made = anchor.client.post("/local/faults", json=wanted)

    assert made.status_code == 201
    assert wanted.items() <= made.json()["data"].items()
    assert anchor.client.get(f"/v1/sessions/{session_id}").status_code == 503
    [pending] = anchor.client.get("/local/faults").json()["data"]
    assert pending["times"] == 2
    assert faults.pending == (Fault(operation="get_session", status=503, times=2, retry_after=2),)
    assert anchor.client.delete("/local/faults").json() == {"data": []}
    assert anchor.client.get(f"/v1/sessions/{session_id}").status_code == 200
    assert anchor.client.post("/local/faults", content=b"{").status_code == 400
    assert anchor.client.post("/local/faults", content=b"x" * 2_000_000).status_code == 400
    for method, path in (("POST", "faults"), ("DELETE", "faults"), ("GET", "faults"), ("POST", "reset")):
        url = f"{anchor.server.base_url}/local/{path}"
        assert httpx.request(method, url, trust_env=False).status_code == 401


def test_a_reset_ends_sessions_and_faults(anchor: Anchor, session_id: str, faults: Faults) -> None:
    other = anchor.new_session()
    faults.add("create_session", status=500)

    assert anchor.client.post("/local/reset").json()["data"]["sessions_ended"] >= 2

    assert faults.pending == ()
    assert anchor.session_directories() == []
    for ended in (session_id, other):
        reply = anchor.client.get(f"/v1/sessions/{ended}")
        assert reply.status_code == 404
        assert "reset" in reply.json()["error"]["message"]
    assert anchor.new_session()


def test_health_needs_no_key(anchor: Anchor, session_id: str) -> None:
    reply = httpx.get(f"{anchor.server.base_url}/healthz", trust_env=False)
    assert reply.status_code == 200
    assert reply.json()["status"] == "ok"
    assert reply.json()["sessions"] >= 1


def test_a_delay_does_not_keep_the_server_from_stopping(start: Callable[..., Anchor]) -> None:
    anchor = start()
    session_id = anchor.new_session()
    anchor.server.faults.add("get_session", delay=600)
    url = httpx.URL(anchor.server.base_url)
    connection = http.client.HTTPConnection(url.host, url.port, timeout=10)
    connection.request("GET", f"/v1/sessions/{session_id}", headers={"anchor-api-key": anchor.server.api_key})
    time.sleep(0.2)

    began = time.monotonic()
    anchor.server.__exit__(None, None, None)

    assert time.monotonic() - began < 1.5
    connection.close()


def test_requests_of_many_threads_meet_each_fault_once(anchor: Anchor, session_id: str, faults: Faults) -> None:
    faults.add("get_session", status=503, times=20)
    statuses: list[int] = []

    def ask() -> None:
        for _ in range(10):
            statuses.append(anchor.client.get(f"/v1/sessions/{session_id}").status_code)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [200] * 20 + [503] * 20


def test_the_operations_are_those_of_the_contract() -> None:
    from pathlib import Path

    text = (Path(__file__).resolve().parents[2] / "spec" / "client.yaml").read_text("utf-8")
    for name in OPERATIONS:
        first, *rest = name.split("_")
        assert f"operationId: {first}{''.join(word.title() for word in rest)}\n" in text


def test_a_body_can_be_any_json(anchor: Anchor, session_id: str, faults: Faults) -> None:
    for body in ({"error": {"code": 7}}, [1], "text", 0, False):
        faults.add("get_session", status=500, body=body)
        reply = anchor.client.get(f"/v1/sessions/{session_id}")
        assert reply.status_code == 500
        assert (reply.text if isinstance(body, str) else json.loads(reply.text)) == body
    with pytest.raises(ValueError, match="JSON"):
        faults.add("get_session", status=500, body=object())
