"""Uploads to the local Anchor: what is stored, what is refused, and that nothing else is left."""

from __future__ import annotations

import hashlib
import http.client
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from anchor_browser_api_models import (
    ErrorResponse,
    UploadFailed,
    UploadRefused,
    UploadReply,
    UploadSessionNotFound,
)

if TYPE_CHECKING:
    from conftest import Anchor

WaitUntil = Callable[[Callable[[], bool], str], None]

BOUNDARY = b"xBOUNDARYx"
END = b"\r\n--" + BOUNDARY + b"--\r\n"


def part(content: bytes, disposition: bytes = b'name="file"; filename="a.txt"') -> bytes:
    head = b"--" + BOUNDARY + b"\r\nContent-Disposition: form-data; " + disposition
    return head + b"\r\nContent-Type: application/octet-stream\r\n\r\n" + content


def refusal(reply: httpx.Response) -> str:
    """The message of a 400, which must have the documented shape."""
    assert reply.status_code == 400, reply.text
    UploadRefused.model_validate(reply.json(), strict=True)
    assert reply.json()["error"]["code"] == 400
    message = reply.json()["error"]["message"]
    assert isinstance(message, str)
    return message


def everything_below(directory: Path) -> set[Path]:
    return {path for path in directory.rglob("*") if path.is_file()}


def test_the_file_lies_where_the_answer_says(anchor: Anchor, session_id: str) -> None:
    content = random.Random(1).randbytes(5_000_123)

    reply = anchor.client.post(f"/v1/sessions/{session_id}/uploads", files={"file": ("report.pdf", content)})

    assert reply.status_code == 200
    UploadReply.model_validate(reply.json(), strict=True)
    path = anchor.uploads(session_id) / "report.pdf"
    assert path.is_absolute()
    data = {"status": "success", "message": f"File saved at {path}"}
    assert reply.json() == {"data": data}
    assert path.read_bytes() == content


def test_an_empty_file_is_a_file(anchor: Anchor, session_id: str) -> None:
    assert anchor.upload(session_id, part(b"") + END).status_code == 200
    assert anchor.stored(session_id) == {"a.txt": b""}


@pytest.mark.parametrize(
    "name",
    [
        "café ✓ 文件 🎈.txt",
        "with space; semicolon=1.txt",
        "100%25 %41.txt",
        "-rf",
        "..hidden...",
        "x" * 251 + ".txt",
        pytest.param(
            'quo"ted.txt',
            marks=pytest.mark.skipif(os.name == "nt", reason="Windows has no such names"),
        ),
    ],
)
def test_names_arrive_as_they_were(anchor: Anchor, session_id: str, name: str) -> None:
    files = {"file": (name, b"content")}
    reply = anchor.client.post(f"/v1/sessions/{session_id}/uploads", files=files)

    assert reply.status_code == 200, reply.text
    assert anchor.stored(session_id) == {name: b"content"}
    assert reply.json()["data"]["message"].endswith(os.sep + name)


@pytest.mark.parametrize(
    "content",
    [
        b"\r\n--",
        b"\r\n--" + BOUNDARY[:-1] + b"\r\n",
        b"--" + BOUNDARY + b"--\r\n",
        b"\n--" + BOUNDARY + b"--\n",
        b"\r\r\n--+++--\r\n\r\n--" + BOUNDARY[:-2] + b"--",
        b"\r\n\r\n\r",
        b"\r\n-" * 50,
    ],
)
@pytest.mark.parametrize("block", [1, 7, 10_000])
def test_content_that_looks_like_a_boundary_arrives_whole(
    anchor: Anchor, session_id: str, content: bytes, block: int
) -> None:
    body = part(content) + END

    def blocks() -> Iterator[bytes]:
        yield from (body[i : i + block] for i in range(0, len(body), block))

    reply = anchor.client.post(
        f"/v1/sessions/{session_id}/uploads",
        content=blocks(),
        headers={"content-type": f"multipart/form-data; boundary={BOUNDARY.decode()}"},
    )

    assert reply.status_code == 200, reply.text
    assert anchor.stored(session_id) == {"a.txt": content}


def test_a_second_upload_of_a_name_replaces_the_file_in_one_step(anchor: Anchor, session_id: str) -> None:
    anchor.upload(session_id, part(b"first") + END)
    first = anchor.uploads(session_id) / "a.txt"
    inode = first.stat().st_ino

    assert anchor.upload(session_id, part(b"second") + END).status_code == 200

    assert anchor.stored(session_id) == {"a.txt": b"second"}
    assert first.stat().st_ino != inode


def test_other_fields_are_ignored(anchor: Anchor, session_id: str) -> None:
    field = part(b"text", b'name="note"') + b"\r\n"
    other = part(b"binary", b'name="other"; filename="other.txt"') + b"\r\n"
    after = b"\r\n" + part(b"more", b'name="more"')

    reply = anchor.upload(session_id, field + other + part(b"content") + after + END + b"epilogue")

    assert reply.status_code == 200, reply.text
    assert anchor.stored(session_id) == {"a.txt": b"content"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--" + BOUNDARY + b"--\r\n",
        part(b"x", b'name="files"; filename="a.txt"') + END,
        part(b"x", b'name="file"') + END,
        part(b"x", b'name="file"; filename=""') + END,
        part(b"x", b"name=\"file\"; filename*=utf-8''a.txt") + END,
    ],
)
def test_a_form_without_a_file_is_refused(anchor: Anchor, session_id: str, body: bytes) -> None:
    message = refusal(anchor.upload(session_id, body))

    assert "no file uploaded" in message or "broke off" in message
    assert anchor.stored(session_id) == {}


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "x" * 1000,
        "",
    ],
)
def test_what_is_no_form_is_refused(anchor: Anchor, session_id: str, media_type: str) -> None:
    reply = anchor.client.post(
        f"/v1/sessions/{session_id}/uploads",
        content=part(b"x") + END,
        headers={"content-type": media_type},
    )

    assert "form" in refusal(reply)
    assert anchor.stored(session_id) == {}


@pytest.mark.parametrize(
    "body",
    [
        b"not a form at all",
        part(b"x") + b"\r\n--" + BOUNDARY + b"\r\nno header\r\n\r\n" + END,
        part(b"x", b'name="file"; filename="a.txt"; filename="b.txt"') + END,
        part(b"x", b'name="file"; filename="a.txt') + END,
        b"--" + BOUNDARY + b"\r\n\r\nx" + END,
        part(b"x", b'name="file"; filename="' + b"x" * 20_000 + b'"') + END,
    ],
)
def test_a_broken_form_is_refused(anchor: Anchor, session_id: str, body: bytes) -> None:
    refusal(anchor.upload(session_id, body))
    assert anchor.stored(session_id) == {}


def test_a_second_file_is_refused_and_the_first_not_kept(anchor: Anchor, session_id: str) -> None:
    big = b"x" * 3_000_000
    body = part(big) + b"\r\n" + part(b"y", b'name="file"; filename="b.txt"') + END

    assert "one file per request" in refusal(anchor.upload(session_id, body))
    assert anchor.stored(session_id) == {}


@pytest.mark.parametrize(
    "name",
    [
        b"../evil.txt",
        b"..",
        b".",
        b"/etc/evil.txt",
        b"sub/evil.txt",
        rb"sub\evil.txt",
        rb"..\evil.txt",
        rb"C:\evil.txt",
        rb"\\host\share\evil.txt",
        b"evil\x00.txt",
        b"evil\x1b.txt",
        b"evil%0D%0A.txt",
        "evil\u0085.txt".encode(),
        b"evil\xff.txt",
        b"e" * 256,
    ],
)
def test_names_that_are_not_plain_are_refused(anchor: Anchor, session_id: str, name: bytes) -> None:
    before = everything_below(anchor.directory.parent)
    body = part(b"x" * 2_000_000, b'name="file"; filename="' + name + b'"') + END

    assert "file name" in refusal(anchor.upload(session_id, body))
    assert everything_below(anchor.directory.parent) == before


def test_a_broken_upload_leaves_nothing(anchor: Anchor, session_id: str, wait_until: WaitUntil) -> None:
    with anchor.raw_upload(session_id, b"content-length: 50000000") as connection:
        connection.sendall(part(b"x" * 4_000_000))
        wait_until(lambda: bool(anchor.stored(session_id)), "the upload began")
        assert "a.txt" not in anchor.stored(session_id)

    wait_until(lambda: not anchor.stored(session_id), "the unfinished file is gone")


def test_an_upload_that_breaks_off_after_the_closing_boundary_is_not_kept(
    anchor: Anchor, session_id: str, wait_until: WaitUntil
) -> None:
    with anchor.raw_upload(session_id, b"content-length: 50000000") as connection:
        connection.sendall(part(b"x" * 4_000_000) + END)
        wait_until(lambda: bool(anchor.stored(session_id)), "the upload began")

    wait_until(lambda: not anchor.stored(session_id), "the unfinished file is gone")


def test_a_body_that_ends_before_the_closing_boundary_is_refused(anchor: Anchor, session_id: str) -> None:
    reply = anchor.upload(session_id, part(b"x" * 3_000_000))

    assert "closing boundary" in refusal(reply)
    assert anchor.stored(session_id) == {}


@pytest.mark.parametrize("length", ["known", "unknown"])
def test_the_limit_is_exact(start: Callable[..., Anchor], length: str) -> None:
    limit = 1_500_000
    anchor = start(max_upload_bytes=limit)
    session_id = anchor.new_session()

    def send(size: int) -> httpx.Response:
        body = part(b"x" * size) + END
        content = body if length == "known" else iter([body])
        return anchor.client.post(
            f"/v1/sessions/{session_id}/uploads",
            content=content,
            headers={"content-type": f"multipart/form-data; boundary={BOUNDARY.decode()}"},
        )

    message = refusal(send(limit + 1))
    assert "file too large" in message
    assert str(limit) in message
    assert anchor.stored(session_id) == {}
    assert send(limit).status_code == 200


def test_a_file_announced_too_large_is_refused_before_it_comes(
    start: Callable[..., Anchor],
) -> None:
    anchor = start(max_upload_bytes=1000)
    session_id = anchor.new_session()

    with anchor.raw_upload(session_id, b"content-length: 99000000000") as connection:
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 400 ")
        while b"file too large" not in answer:
            more = connection.recv(65536)
            assert more, answer
            answer += more


def test_who_still_sends_gets_the_refusal(start: Callable[..., Anchor]) -> None:
    anchor = start(max_upload_bytes=1000)
    session_id = anchor.new_session()
    content = b"x" * 60_000_000
    url = httpx.URL(anchor.server.base_url)
    connection = http.client.HTTPConnection(url.host, url.port, timeout=20)
    try:
        # Reads no answer before all is sent: a reset connection would be an error here.
        connection.request(
            "POST",
            f"/v1/sessions/{session_id}/uploads",
            body=part(content) + END,
            headers={
                "anchor-api-key": anchor.server.api_key,
                "content-type": f"multipart/form-data; boundary={BOUNDARY.decode()}",
            },
        )
        reply = connection.getresponse()
        assert reply.status == 400
        assert b"file too large" in reply.read()
    finally:
        connection.close()


def test_who_never_stops_sending_is_cut_off(start: Callable[..., Anchor]) -> None:
    anchor = start(max_upload_bytes=1000)
    session_id = anchor.new_session()
    block = b"x" * 1_000_000

    def send_for_seconds(connection: socket.socket, seconds: float) -> None:
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            connection.sendall(block)

    with (
        anchor.raw_upload(session_id, b"content-length: 99000000000000") as connection,
        pytest.raises(OSError),  # noqa: PT011  its words differ between systems
    ):
        send_for_seconds(connection, 20)


def test_who_waits_for_permission_to_send_is_refused_at_once(
    start: Callable[..., Anchor],
) -> None:
    anchor = start(max_upload_bytes=1000)
    session_id = anchor.new_session()
    headers = (b"content-length: 99000000", b"expect: 100-continue")
    with anchor.raw_upload(session_id, *headers) as connection:
        connection.settimeout(0.9)
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")
        while connection.recv(65536):
            pass  # Until the server closes, which it must not put off.


def test_an_unknown_session_is_answered_as_documented(anchor: Anchor) -> None:
    for unknown in (str(uuid.uuid4()), "%2e%2e", "x"):
        reply = anchor.upload(unknown, part(b"x" * 300_000) + END)
        assert reply.status_code == 404
        UploadSessionNotFound.model_validate(reply.json(), strict=True)
        assert reply.json()["error"]["error"]["code"] == 404
    # The client itself makes another path of this.
    assert anchor.upload("..", part(b"x" * 300_000) + END).status_code == 501
    assert anchor.session_directories() == []


@pytest.mark.parametrize("key", [None, "", "wrong", "the key of the test", "ключ"])
def test_without_the_key_nothing_is_stored(anchor: Anchor, session_id: str, key: str | None) -> None:
    headers = {} if key is None else {"anchor-api-key": key.encode()}
    url = f"{anchor.server.base_url}/v1/sessions/{session_id}/uploads"
    files = {"file": ("a.txt", b"x" * 300_000)}
    reply = httpx.post(url, files=files, headers=headers, trust_env=False)  # type: ignore[arg-type]

    assert reply.status_code == 401
    ErrorResponse.model_validate(reply.json(), strict=True)
    assert reply.json()["error"]["code"] == 401
    assert anchor.stored(session_id) == {}


def test_a_full_disk_is_a_500_and_leaves_nothing(anchor: Anchor, session_id: str) -> None:
    resource = pytest.importorskip("resource", reason="needs POSIX resource limits")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_500_000, hard))
    try:
        reply = anchor.upload(session_id, part(b"x" * 6_000_000) + END)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert reply.status_code == 500
    UploadFailed.model_validate(reply.json(), strict=True)
    error: dict[str, Any] = reply.json()["error"]["error"]
    assert error["code"] == 500
    assert "could not save a.txt" in error["message"]
    assert anchor.stored(session_id) == {}
    assert anchor.upload(session_id, part(b"now") + END).status_code == 200


def test_the_end_of_the_session_ends_its_uploads(anchor: Anchor, session_id: str, wait_until: WaitUntil) -> None:
    with anchor.raw_upload(session_id, b"content-length: 50000000") as connection:
        connection.sendall(part(b"x" * 4_000_000))
        wait_until(lambda: bool(anchor.stored(session_id)), "the upload began")

        assert anchor.client.delete(f"/v1/sessions/{session_id}").status_code == 200

        assert anchor.session_directories() == []
        assert connection.recv(65536).startswith(b"HTTP/1.1 404 ")


def test_many_uploads_at_once(anchor: Anchor, session_id: str) -> None:
    contents = {f"{i}.bin": random.Random(i).randbytes(2_000_000) for i in range(8)}
    url = f"/v1/sessions/{session_id}/uploads"

    def send(name: str) -> None:
        anchor.client.post(url, files={"file": (name, contents[name])}).raise_for_status()

    threads = [threading.Thread(target=send, args=(name,)) for name in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert anchor.stored(session_id) == contents


SERVE = "import sys; from anchor_uploads.local.foreground import LocalServer, serve; sys.exit(serve(LocalServer({})))"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak_after(size: int) -> int:
        program = SERVE.format(f"browser=False, api_key='k', directory={str(tmp_path)!r}")
        with subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program], stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stdout is not None
                url = httpx.URL(process.stdout.readline().strip())
                headers = {"anchor-api-key": "k"}
                reply = httpx.post(f"{url}/v1/sessions", headers=headers, trust_env=False)
                session_id = reply.json()["data"]["id"]
                expected = send_zeros(url, session_id, size)
                (stored,) = tmp_path.glob(f"*/{session_id}/uploads/a.txt")
                with stored.open("rb") as file:
                    found = hashlib.sha256()
                    while block := file.read(1 << 20):
                        found.update(block)
                assert found.hexdigest() == expected
                status = Path(f"/proc/{process.pid}/status").read_text("ascii", "replace")
                peak = re.search(r"VmHWM:\s+(\d+) kB", status)
                assert peak is not None
                return int(peak[1]) * 1024
            finally:
                process.terminate()

    def send_zeros(url: httpx.URL, session_id: str, size: int) -> str:
        head, block, digest = part(b""), bytes(min(size, 1 << 20)), hashlib.sha256()
        length = len(head) + size + len(END)
        lines = [
            f"POST /v1/sessions/{session_id}/uploads HTTP/1.1",
            f"host: {url.host}",
            "anchor-api-key: k",
            f"content-type: multipart/form-data; boundary={BOUNDARY.decode()}",
            f"content-length: {length}",
        ]
        with socket.create_connection((url.host, url.port or 80), timeout=30) as connection:
            connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + head)
            for _ in range(size // len(block)):
                connection.sendall(block)
                digest.update(block)
            connection.sendall(END)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        return digest.hexdigest()

    mebibyte = 1 << 20
    assert peak_after(256 * mebibyte) - peak_after(1024) < 16 * mebibyte
