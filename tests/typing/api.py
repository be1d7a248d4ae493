"""The public API as a type checker sees it. Never run: `scripts/check` has mypy and pyright read it."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from uuid import UUID

import httpx
from typing_extensions import assert_type

from anchor_uploads import (
    AsyncUploadClient,
    FailedUpload,
    Session,
    SessionInfo,
    Settings,
    StatusError,
    Timeouts,
    UploadClient,
    UploadedFile,
    UploadProgress,
    UploadReport,
    upload_file,
    upload_file_async,
)


def sync(session_id: UUID) -> None:
    with UploadClient(api_key="k", timeout=Timeouts(answer=None), http_client=httpx.Client()) as client:
        assert_type(client, UploadClient)
        assert_type(client.settings, Settings)
        with client.session(browser={"viewport": {"width": 800}}) as session:
            assert_type(session, Session)
            assert_type(session.cdp_url, "str | None")
        assert_type(client.upload_file(session_id, "a", on_progress=lambda it: print(it.sent)), UploadedFile)
        for file in ("a", Path("a"), b"a", bytearray(b"a"), memoryview(b"a"), io.BytesIO(), [b"a"], (b for b in [b""])):
            client.upload_file(str(session_id), file, filename="a", timeout=1, deadline=2.5, max_retries=0)
        with ProcessPoolExecutor() as executor:
            report = client.upload_files(session_id, (Path(name) for name in "ab"), executor=executor)
        assert_type(report, UploadReport)
        assert_type(report.uploaded, "tuple[UploadedFile, ...]")
        assert_type(report.failed, "tuple[FailedUpload, ...]")
        client.upload_files(session_id, [("a.txt", b"a"), ("b.txt", io.BytesIO(b"b"), "text/plain"), Path("c.txt")])
        client.upload_files(session, {"a.txt": b"a"})
        client.upload_file(session, ("a.txt", b"a", "text/plain"), timeout=httpx.Timeout(5))
        assert_type(report.warnings, "tuple[str, ...]")
        assert_type(client.get_session(session_id), "str | None")
        for found in client.list_sessions():
            assert_type(found, SessionInfo)
            assert_type(found.status, "str | None")
            client.end_session(found)
        client.end_all_sessions()
    assert_type(upload_file(session_id, b"", filename="a", api_key="k"), UploadedFile)


async def blocks() -> AsyncIterator[bytes]:
    yield b""


async def asynchronous(session_id: str) -> None:
    async with AsyncUploadClient(http_client=httpx.AsyncClient()) as client:
        async with client.session() as session:
            assert_type(session, Session)
        assert_type(await client.upload_file(session_id, blocks(), filename="a"), UploadedFile)
        assert_type(await client.upload_files(session_id, [Path("a")]), UploadReport)
        assert_type(await client.list_sessions(), "tuple[SessionInfo, ...]")
        await client.end_all_sessions()
    assert_type(await upload_file_async(session_id, Path("a")), UploadedFile)


def errors(error: StatusError, failed: FailedUpload, progress: UploadProgress) -> None:
    assert_type(error.status_code, int)
    assert_type(error.code, "int | str | None")
    assert_type(error.retry_after, "float | None")
    assert_type(failed.index, int)
    assert_type(progress.total, int)


def refused(client: UploadClient, session_id: str) -> None:
    client.upload_file(session_id, None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.upload_file(session_id, io.StringIO())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.upload_file(session_id, blocks())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
