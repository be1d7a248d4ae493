"""The two clients: all of the input and output, and nothing else. What they share is in `exchange`."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any
from uuid import UUID

import httpx
import tenacity

from anchor_uploads import batch, exchange
from anchor_uploads.batch import AsyncBatchItem, BatchItem, UploadReport
from anchor_uploads.config import DEFAULT_TIMEOUTS, Settings, Timeouts
from anchor_uploads.errors import AnchorUploadsError, SessionNotFound
from anchor_uploads.exchange import Exchange, Result, Upload, checked_session_id, prepare_to_read
from anchor_uploads.opening import AsyncFileInput, FileInput, open_source, opened
from anchor_uploads.outcome import BODY_LIMIT, Answer, Session, UploadedFile
from anchor_uploads.progress import ProgressCallback

_log = logging.getLogger("anchor_uploads")


class UploadClient:
    """Uploads files into Anchor Browser sessions. Keep one and use it from any thread; it keeps its connections.

    api_key, base_url: default to `ANCHORBROWSER_API_KEY` and `ANCHORBROWSER_BASE_URL`.
    timeout, deadline, max_retries, retry_unknown, progress_interval: see `Settings`.
    http_client: an `httpx.Client` of your own, for proxies, certificates, HTTP/2 or transports; never closed here.
    Without one, the client may be used in a forked process, too: it makes connections of its own there.

    Raises `InvalidArgument` for a key or URL that cannot be right.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout: float | Timeouts = DEFAULT_TIMEOUTS,
        deadline: float | None = None,
        max_retries: int = 2,
        retry_unknown: bool = False,
        progress_interval: float = 0.05,
        http_client: httpx.Client | None = None,
    ) -> None:
        settings = Settings.from_environment(
            api_key=api_key,
            base_url=base_url,
            timeouts=timeout,
            deadline=deadline,
            max_retries=max_retries,
            retry_unknown=retry_unknown,
            progress_interval=progress_interval,
        )
        self._set_up(settings, http_client)

    @classmethod
    def from_settings(cls, settings: Settings, *, http_client: httpx.Client | None = None) -> UploadClient:
        """Return a client with the settings of another, perhaps one of another process."""
        client = cls.__new__(cls)
        client._set_up(settings, http_client)
        return client

    def upload_file(
        self,
        session_id: str | UUID,
        file: FileInput,
        *,
        filename: str | None = None,
        content_type: str | None = None,
        on_progress: ProgressCallback | None = None,
        checksum: bool = False,
        timeout: float | Timeouts | None = None,
        deadline: float | None = None,
        max_retries: int | None = None,
        retry_unknown: bool | None = None,
    ) -> UploadedFile:
        """Put `file` into the uploads directory of a session and return where it is.

        file: a path, a URL that fsspec can read, bytes, a binary file object (read from its position on, never closed)
        or an iterable of bytes. What has no length is first copied to a temporary file.
        filename, content_type: what to send instead of the file's own name and the type guessed from it.
        on_progress: called with `UploadProgress`; what it raises aborts the upload. checksum: compute the SHA-256.
        timeout, deadline, max_retries, retry_unknown: instead of the client's, for this call.

        Raises `InvalidArgument` and `SourceError` before anything is sent, `SourceError` also for a file that changes
        while it is read, and `ConnectionFailed`, `TimedOut`, `OutcomeUnknown`, `StatusError` or `UnexpectedResponse`.
        Source: the operation `POST /v1/sessions/{sessionId}/uploads`.
        """
        settings = self.settings.changed(
            timeout=timeout, deadline=deadline, max_retries=max_retries, retry_unknown=retry_unknown
        )
        session = checked_session_id(session_id)
        with open_source(file, filename=filename, content_type=content_type) as source:
            return self._run(Upload(settings, session, source, on_progress=on_progress, checksum=checksum))

    def upload_files(
        self,
        session_id: str | UUID,
        files: Iterable[BatchItem],
        *,
        concurrency: int = 4,
        on_progress: ProgressCallback | None = None,
        executor: Executor | None = None,
    ) -> UploadReport:
        """Put many files into a session, `concurrency` at a time, and report what became of each.

        files: what `upload_file` takes, or pairs of a file name and that; drawn as they are needed. One that fails does
        not stop the others. executor: what runs the uploads, for example a `ProcessPoolExecutor` or Dask's; the files
        must then be paths, URLs or bytes, and `on_progress` is called once for each file.

        Raises `SourceError` before anything is sent if two files of a collection have the same name,
        `UploadsInterrupted` on Ctrl-C, and what `on_progress` raises.
        """
        session = str(checked_session_id(session_id))
        return batch.run(
            files,
            lambda task, watch: self.upload_file(session, task.file, filename=task.filename, on_progress=watch),
            settings=self.settings,
            session_id=session,
            concurrency=concurrency,
            on_progress=on_progress,
            executor=executor,
        )

    def create_session(self, **body: Any) -> Session:
        """Start a browser session; `body` is sent as it is, for example `session={"initial_url": "https://…"}`.

        Raises as `upload_file` does, but for `SourceError`. Source: the operation `POST /v1/sessions`.
        """
        return self._run(exchange.create_session(self.settings, body))

    def get_session(self, session_id: str | UUID) -> str | None:
        """Return the status of a session, in the service's words. Raises `SessionNotFound` if there is none."""
        return self._run(exchange.get_session(self.settings, session_id))

    def end_session(self, session_id: str | UUID) -> None:
        """End a session and its browser. Raises `SessionNotFound` if there is none."""
        self._run(exchange.end_session(self.settings, session_id))

    @contextmanager
    def session(self, **body: Any) -> Iterator[Session]:
        """Start a session (see `create_session`) and end it when the block is left, however it is left."""
        session = self.create_session(**body)
        try:
            yield session
        except BaseException:
            try:
                self.end_session(session.id)
            except AnchorUploadsError as error:
                _log.warning("session %s could not be ended: %s", session.id, error)
            raise
        with suppress(SessionNotFound):
            self.end_session(session.id)

    def close(self) -> None:
        """Close the connections; an `http_client` that was passed in stays open."""
        if self._owns_http:
            self._http.close()

    def __enter__(self) -> UploadClient:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.settings!r})"

    def _set_up(self, settings: Settings, http_client: httpx.Client | None) -> None:
        self.settings = settings
        self._owns_http = http_client is None
        self._http = http_client or httpx.Client()
        self._process = os.getpid()

    def _connections(self) -> httpx.Client:
        # A forked child must not speak on the connections of its parent.
        if self._owns_http and self._process != os.getpid():
            self._http, self._process = httpx.Client(), os.getpid()
        return self._http

    def _run(self, exchange: Exchange[Result]) -> Result:
        return tenacity.Retrying(**exchange.policy())(lambda: self._try(exchange))

    def _try(self, exchange: Exchange[Result]) -> Result:
        attempt = exchange.next_attempt()
        try:
            answer = self._answer(attempt.request())
        except httpx.RequestError as error:
            raise attempt.failure(error) from error
        return attempt.result(answer)

    def _answer(self, request: httpx.Request) -> Answer:
        response = self._connections().send(request, stream=True, follow_redirects=False)
        try:
            prepare_to_read(request, self.settings)
            body = bytearray()
            for block in response.iter_bytes():
                body += block
                if len(body) >= BODY_LIMIT:
                    break
        finally:
            response.close()
        return Answer(response.status_code, response.headers, bytes(body[:BODY_LIMIT]))


class AsyncUploadClient:
    """`UploadClient` for asyncio: the same methods, to be awaited. Files are read off the event loop."""

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout: float | Timeouts = DEFAULT_TIMEOUTS,
        deadline: float | None = None,
        max_retries: int = 2,
        retry_unknown: bool = False,
        progress_interval: float = 0.05,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        settings = Settings.from_environment(
            api_key=api_key,
            base_url=base_url,
            timeouts=timeout,
            deadline=deadline,
            max_retries=max_retries,
            retry_unknown=retry_unknown,
            progress_interval=progress_interval,
        )
        self._set_up(settings, http_client)

    @classmethod
    def from_settings(cls, settings: Settings, *, http_client: httpx.AsyncClient | None = None) -> AsyncUploadClient:
        """Return a client with the settings of another, perhaps one of another process."""
        client = cls.__new__(cls)
        client._set_up(settings, http_client)
        return client

    async def upload_file(
        self,
        session_id: str | UUID,
        file: AsyncFileInput,
        *,
        filename: str | None = None,
        content_type: str | None = None,
        on_progress: ProgressCallback | None = None,
        checksum: bool = False,
        timeout: float | Timeouts | None = None,
        deadline: float | None = None,
        max_retries: int | None = None,
        retry_unknown: bool | None = None,
    ) -> UploadedFile:
        """Put `file` into the uploads directory of a session; see `UploadClient.upload_file`.

        Cancelling it closes the file and the connection and leaves the client usable.
        """
        settings = self.settings.changed(
            timeout=timeout, deadline=deadline, max_retries=max_retries, retry_unknown=retry_unknown
        )
        session = checked_session_id(session_id)
        async with opened(file, filename=filename, content_type=content_type) as source:
            return await self._run(Upload(settings, session, source, on_progress=on_progress, checksum=checksum))

    async def upload_files(
        self,
        session_id: str | UUID,
        files: Iterable[AsyncBatchItem] | AsyncIterable[AsyncBatchItem],
        *,
        concurrency: int = 4,
        on_progress: ProgressCallback | None = None,
        executor: Executor | None = None,
    ) -> UploadReport:
        """Put many files into a session; see `UploadClient.upload_files`. Cancelling it cancels what runs."""
        session = str(checked_session_id(session_id))
        return await batch.run_async(
            files,
            lambda task, watch: self.upload_file(session, task.file, filename=task.filename, on_progress=watch),
            settings=self.settings,
            session_id=session,
            concurrency=concurrency,
            on_progress=on_progress,
            executor=executor,
        )

    async def create_session(self, **body: Any) -> Session:
        """Start a browser session; see `UploadClient.create_session`."""
        return await self._run(exchange.create_session(self.settings, body))

    async def get_session(self, session_id: str | UUID) -> str | None:
        """Return the status of a session; see `UploadClient.get_session`."""
        return await self._run(exchange.get_session(self.settings, session_id))

    async def end_session(self, session_id: str | UUID) -> None:
        """End a session and its browser; see `UploadClient.end_session`."""
        await self._run(exchange.end_session(self.settings, session_id))

    @asynccontextmanager
    async def session(self, **body: Any) -> AsyncIterator[Session]:
        """Start a session and end it when the block is left; see `UploadClient.session`."""
        session = await self.create_session(**body)
        try:
            yield session
        except BaseException:
            try:
                await self.end_session(session.id)
            except AnchorUploadsError as error:
                _log.warning("session %s could not be ended: %s", session.id, error)
            raise
        with suppress(SessionNotFound):
            await self.end_session(session.id)

    async def close(self) -> None:
        """Close the connections; an `http_client` that was passed in stays open."""
        if self._owns_http:
            await self._http.aclose()

    async def __aenter__(self) -> AsyncUploadClient:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.settings!r})"

    def _set_up(self, settings: Settings, http_client: httpx.AsyncClient | None) -> None:
        self.settings = settings
        self._owns_http = http_client is None
        self._http = http_client or httpx.AsyncClient()
        self._process = os.getpid()

    def _connections(self) -> httpx.AsyncClient:
        if self._owns_http and self._process != os.getpid():
            self._http, self._process = httpx.AsyncClient(), os.getpid()
        return self._http

    async def _run(self, exchange: Exchange[Result]) -> Result:
        return await tenacity.AsyncRetrying(**exchange.policy())(self._try, exchange)

    async def _try(self, exchange: Exchange[Result]) -> Result:
        attempt = await asyncio.to_thread(exchange.next_attempt) if exchange.started else exchange.next_attempt()
        try:
            answer = await self._answer(attempt.async_request())
        except httpx.RequestError as error:
            raise attempt.failure(error) from error
        return attempt.result(answer)

    async def _answer(self, request: httpx.Request) -> Answer:
        response = await self._connections().send(request, stream=True, follow_redirects=False)
        try:
            prepare_to_read(request, self.settings)
            body = bytearray()
            async for block in response.aiter_bytes():
                body += block
                if len(body) >= BODY_LIMIT:
                    break
        finally:
            await response.aclose()
        return Answer(response.status_code, response.headers, bytes(body[:BODY_LIMIT]))


def upload_file(
    session_id: str | UUID,
    file: FileInput,
    *,
    filename: str | None = None,
    content_type: str | None = None,
    on_progress: ProgressCallback | None = None,
    checksum: bool = False,
    **options: Any,
) -> UploadedFile:
    """Upload one file with a client made for it; `options` are those of `UploadClient`. Keep a client for many."""
    with UploadClient(**options) as client:
        return client.upload_file(
            session_id,
            file,
            filename=filename,
            content_type=content_type,
            on_progress=on_progress,
            checksum=checksum,
        )


async def upload_file_async(
    session_id: str | UUID,
    file: AsyncFileInput,
    *,
    filename: str | None = None,
    content_type: str | None = None,
    on_progress: ProgressCallback | None = None,
    checksum: bool = False,
    **options: Any,
) -> UploadedFile:
    """Upload one file with an `AsyncUploadClient` made for it; see `upload_file`."""
    async with AsyncUploadClient(**options) as client:
        return await client.upload_file(
            session_id,
            file,
            filename=filename,
            content_type=content_type,
            on_progress=on_progress,
            checksum=checksum,
        )
