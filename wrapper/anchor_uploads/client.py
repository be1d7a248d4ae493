"""The two clients: shells over one base that open a file, have the steps of a call done, and close it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

import anyio
import httpx

from anchor_uploads import _batch
from anchor_uploads._aside import TimeIsUp
from anchor_uploads._batch import Batch, BatchOptions, UploadReport
from anchor_uploads._call import sessions
from anchor_uploads._call.contract import SessionId
from anchor_uploads._call.exchange import Calls
from anchor_uploads._call.reply import Session, SessionInfo, UploadedFile
from anchor_uploads._call.secrets import hidden
from anchor_uploads._call.settings import DEFAULT_TIMEOUTS, ApiKey, Deadline, Settings, Timeouts
from anchor_uploads._call.steps import run, run_async
from anchor_uploads._call.table import time_is_up
from anchor_uploads._call.upload import FileOptions, UploadOptions, check_options, upload
from anchor_uploads._net.connections import AsyncConnections, Connections
from anchor_uploads._sources.opening import opened, opened_async
from anchor_uploads._sources.part import AsyncContent, AsyncFileInput, Content, FileInput, Part
from anchor_uploads._sources.source import Source
from anchor_uploads.errors import AnchorUploadsError, ContractDrift, InvalidArgument, StatusError

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

HttpClient = TypeVar("HttpClient", httpx.Client, httpx.AsyncClient)
SessionInput = str | UUID | Session | SessionInfo

_log = logging.getLogger("anchor_uploads")

_FAREWELL_SECONDS = 10.0
"""How long a block that is left by an error or a cancellation waits for its session to be ended."""


class _Upload:
    """What one call of `upload_file` was asked for. Its clock starts here."""

    def __init__(self, settings: Settings, session: SessionId, file: object, options: UploadOptions) -> None:
        check_options(options)
        self._settings = settings.changed(options)
        self._options = options
        self._session = session.uuid()
        self.deadline = Deadline(self._settings.deadline)
        self.part = Part.of(file, options.get("filename"), options.get("content_type"))
        self._what = f"upload of {self.part.label} to session {self._session}"

    def steps(self, source: Source) -> Calls[UploadedFile]:
        return upload(self._settings, self._session, source, self.deadline, self._options)

    @contextmanager
    def in_time(self) -> Iterator[None]:
        """Say of a file that was not opened in time that nothing was sent of it."""
        try:
            yield
        except TimeIsUp:
            raise time_is_up(self._what, self.deadline.seconds) from None


class _Client(Generic[HttpClient]):
    """What both clients are made of."""

    settings: Settings
    _connections: Any

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout: float | Timeouts | httpx.Timeout | None = DEFAULT_TIMEOUTS,
        deadline: float | None = None,
        max_retries: int = 2,
        retry_unknown: bool = False,
        progress_interval: float = 0.05,
        http_client: HttpClient | None = None,
    ) -> None:
        # Tracebacks may be shown with the variables of their frames.
        key, api_key = api_key if api_key is None else ApiKey(api_key), None
        try:
            settings = Settings.from_environment(
                api_key=key,
                base_url=base_url,
                timeouts=timeout,
                deadline=deadline,
                max_retries=max_retries,
                retry_unknown=retry_unknown,
                progress_interval=progress_interval,
            )
        except InvalidArgument as error:
            # It may be the key.
            del base_url
            raise error.with_traceback(None) from None
        self._set_up(settings, http_client)

    @classmethod
    def from_settings(cls, settings: Settings, *, http_client: HttpClient | None = None) -> Self:
        """Return a client with the settings of another, perhaps one of another process.

        Args:
            settings: What the client is made with; they can be pickled.
            http_client: As for the constructor.

        Returns:
            The client, with connections of its own.

        Example:
            >>> from anchor_uploads import UploadClient
            >>> with UploadClient.from_settings(client.settings) as other:
            ...     other.get_session(session.id)
            'running'
        """
        client = cls.__new__(cls)
        client._set_up(settings, http_client)
        return client

    def __repr__(self) -> str:
        return f"{type(self).__name__}({getattr(self, 'settings', '')!r})"

    def _set_up(self, settings: Settings, http_client: HttpClient | None) -> None:
        raise NotImplementedError

    @contextmanager
    def _call(self) -> Iterator[None]:
        """Frame a call: it is refused once the client is closed, and its errors do not show the key."""
        with hidden(self.settings._api_key):
            self._connections.check_open()
            yield


class UploadClient(_Client[httpx.Client]):
    """Uploads files into Anchor Browser sessions. Keep one and use it from any thread; it keeps its connections.

    In a forked process it makes connections of its own, unless it was given an `http_client`.

    Args:
        api_key: The key; by default that in `ANCHORBROWSER_API_KEY`.
        base_url: Where the service is; by default `ANCHORBROWSER_BASE_URL`, else `https://api.anchorbrowser.io`.
        timeout: Seconds for each phase of a request, or `Timeouts` (or `httpx.Timeout`) with a number for each; None
            waits for ever.
        deadline: Seconds for a whole call with all its attempts; None for no end.
        max_retries: Further attempts after a failure that may be repeated; the README has the table.
        retry_unknown: Whether to send again also what went out whole without an answer, and may be saved twice then.
        progress_interval: Seconds between two calls of `on_progress`; 0 calls it for each block.
        http_client: A client of your own, for proxies, certificates, HTTP/2 or transports. Its headers, cookies and
            `auth` are used, and it is never closed here. Over HTTP/2 an answer that comes before the body is out is not
            understood: such an upload ends with `ConnectionFailed`, at the latest after `Timeouts.write`.

    Raises:
        InvalidArgument: There is no key, or a key, URL or number that cannot be right.

    Example:
        >>> from anchor_uploads import UploadClient
        >>> with UploadClient(max_retries=4, deadline=600) as client:
        ...     sessions = client.list_sessions()
    """

    _connections: Connections

    def upload_file(self, session_id: SessionInput, file: FileInput, **options: Unpack[UploadOptions]) -> UploadedFile:
        """Put a file into the uploads directory of a session.

        Args:
            session_id: Of a session, or what `create_session` or `list_sessions` returned.
            file: A path, a URL that fsspec can read, bytes, a binary file object (read from its position on, never
                closed), an upload that a web framework received, an iterable of bytes, or a pair or triple of
                filename, file and content type. What has no length is first copied to a temporary file.
            filename (str): The name to send; by default the file's own.
            content_type (str): The type to send; by default the file's own, or that of its name.
            on_progress (Callable[[UploadProgress], object]): Called before anything of an attempt is sent, at most
                every `progress_interval` seconds, and at the end. What it raises aborts the upload.
            checksum (bool): Whether to compute the SHA-256 of what is sent.
            timeout (float | Timeouts | httpx.Timeout | None): Seconds; the client's by default, as all that follow.
            deadline (float | None): Seconds for this call; None lifts the client's. With one, what may never come (a
                pipe, a file object, an iterable, a URL) is read in another thread, which is left behind at the end.
            max_retries (int): Further attempts after a failure that may be repeated.
            retry_unknown (bool): Whether to send again also what went out whole without an answer.

        Returns:
            Where the remote browser sees the file, and what was sent.

        Raises:
            InvalidArgument: The session id or an option cannot be right, or the client is closed. Nothing was sent.
            SourceError: The file cannot be sent, or it changed while it was read. Nothing was saved.
            ConnectionFailed: No answer, and the file did not go out whole. Nothing was saved.
            TimedOut: The same, because it took too long.
            OutcomeUnknown: The file went out whole and no answer came back. It may have been saved.
            StatusError: The service answered with an error; a subclass tells which.
            UnexpectedResponse: The answer is outside the contract, or a success came before the file was out.

        Warns:
            ContractDrift: The file was uploaded, but the answer is not quite the documented one.

        Source: the operation `POST /v1/sessions/{sessionId}/uploads`.

        Example:
            >>> uploaded = client.upload_file(session.id, b"a,b", filename="table.csv", checksum=True)
            >>> uploaded.size, uploaded.content_type
            (3, 'text/csv')
        """
        session = SessionId(session_id)
        del session_id
        with self._call():
            call = _Upload(self.settings, session, file, options)
            with call.in_time():
                source = opened(call.part, within=call.deadline.left())
            with source:
                return run(call.steps(source), self._connections.do)

    def upload_files(
        self,
        session_id: SessionInput,
        files: Iterable[FileInput] | Mapping[str, Content],
        **options: Unpack[BatchOptions],
    ) -> UploadReport:
        """Put many files into a session, a few at a time. One that fails does not stop the others.

        Args:
            session_id: As for `upload_file`.
            files: Any number of what `upload_file` takes, drawn as they are needed, or a mapping of names to files.
            concurrency (int): How many at a time; 4 by default, 10,000 at most.
            on_progress (Callable[[UploadProgress], object]): Called as by `upload_file`, never twice at once; with an
                `executor` of other processes once for each file, as with any for `AsyncUploadClient`.
            on_result (Callable[[UploadedFile | FailedUpload], object]): Called with what became of each file as it
                ends, never twice at once, in the thread that draws the files, and so between two of them.
            checksum (bool): Compute the SHA-256 of each file.
            executor (Executor): What runs the uploads, for example a `ProcessPoolExecutor` or Dask's. Unless it is a
                `ThreadPoolExecutor`, the files must be paths, URLs or bytes, and no `http_client` was passed in.

        Returns:
            What became of each file, in their order.

        Raises:
            InvalidArgument: The session id, the files or an option cannot be right, or the client is closed.
            SourceError: Two files of a collection have the same name. Nothing was sent.
            UploadsInterrupted: On Ctrl-C, with the report so far.

        What `on_progress` or `on_result` raises ends the batch, too.

        Example:
            >>> from pathlib import Path
            >>> report = client.upload_files(session.id, Path(".").glob("*.pdf"), concurrency=8)
            >>> [uploaded.name for uploaded in report.uploaded]
            ['report.pdf']
            >>> report.raise_for_failures()
        """
        session = SessionId(session_id)
        del session_id
        with self._call():
            batch = Batch(files, self.settings, session.uuid(), **options)
            if batch.elsewhere:
                self._connections.check_own()
            return _batch.run(
                batch,
                lambda task, told: self.upload_file(
                    session.uuid(), task.file, on_progress=told, checksum=batch.checksum
                ),
            )

    def create_session(self, **body: Any) -> Session:
        """Start a browser session.

        Args:
            body: What the service takes, sent as it is.

        Returns:
            The session, with the URL where CDP clients connect.

        Raises:
            InvalidArgument: The body cannot be sent as JSON, or the client is closed. Nothing was sent.
            ConnectionFailed: No answer, and the request did not go out whole: no session was started.
            TimedOut: The same, because it took too long.
            OutcomeUnknown: The request went out whole and no answer came back.
            StatusError: The service answered with an error; a subclass tells which.
            UnexpectedResponse: The answer is outside the contract.

        Source: the operation `POST /v1/sessions`.

        Example:
            >>> session = client.create_session(session={"timeout": {"max_duration": 5, "idle_timeout": 2}})
            >>> client.end_session(session)
        """
        with self._call():
            return run(sessions.create_session(self.settings, body), self._connections.do)

    def get_session(self, session_id: SessionInput) -> str | None:
        """Return the status of a session.

        Args:
            session_id: As for `upload_file`.

        Returns:
            The service's word for it, or None if it told none.

        Raises:
            SessionNotFound: There is no such session.
            AnchorUploadsError: As by `create_session`.

        Source: the operation `GET /v1/sessions/{sessionId}`.

        Example:
            >>> client.get_session(session.id)
            'running'
        """
        session = SessionId(session_id)
        del session_id
        with self._call():
            return run(sessions.get_session(self.settings, session), self._connections.do)

    def end_session(self, session_id: SessionInput) -> None:
        """End a session and its browser.

        Args:
            session_id: As for `upload_file`.

        Raises:
            SessionNotFound: There is no such session.
            AnchorUploadsError: As by `create_session`.

        Source: the operation `DELETE /v1/sessions/{sessionId}`.

        Example:
            >>> client.end_session(session.id)
        """
        session = SessionId(session_id)
        del session_id
        with self._call():
            run(sessions.end_session(self.settings, session), self._connections.do)

    def list_sessions(self) -> tuple[SessionInfo, ...]:
        """List the sessions of the API key that the service tells of, whoever started them.

        Returns:
            Their ids and states.

        Raises:
            AnchorUploadsError: As by `create_session`.

        Source: the operation `GET /v1/sessions/all/status`.

        Example:
            >>> session.id in [each.id for each in client.list_sessions()]
            True
        """
        with self._call():
            return run(sessions.list_sessions(self.settings), self._connections.do)

    def end_all_sessions(self) -> None:
        """End all sessions of the API key, whoever started them.

        Raises:
            AnchorUploadsError: As by `create_session`.

        Source: the operation `DELETE /v1/sessions/all`.
        """
        with self._call():
            run(sessions.end_all_sessions(self.settings), self._connections.do)

    @contextmanager
    def session(self, **body: Any) -> Iterator[Session]:
        """Start a session, and end it when the block is left, however it is left.

        Args:
            body: As for `create_session`.

        Yields:
            The session.

        Raises:
            AnchorUploadsError: As by `create_session`.

        Example:
            >>> with client.session() as session:
            ...     client.get_session(session)
            'running'
        """
        session = self.create_session(**body)
        try:
            yield session
        except BaseException:
            with _warning_of(session), _gone_already():
                self.end_session(session.id)
            raise
        with _gone_already():
            self.end_session(session.id)

    def close(self) -> None:
        """Close the connections; calls under way may end first. An `http_client` that was passed in stays open."""
        self._connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _set_up(self, settings: Settings, http_client: httpx.Client | None) -> None:
        self.settings = settings
        self._connections = Connections(http_client, settings.base_url)


class AsyncUploadClient(_Client[httpx.AsyncClient]):
    """`UploadClient` for asyncio and trio: the same methods, to be awaited. Files are read off the event loop.

    It may be used in one event loop after another. With `httpx_aiohttp.HttpxAiohttpClient()` as `http_client` (extra
    `[aiohttp]`) it runs on aiohttp, which costs less where many small files are uploaded at once.

    As `UploadClient`, with an `httpx.AsyncClient`.

    Example:
        >>> import anyio
        >>> from anchor_uploads import AsyncUploadClient
        >>> async def main():
        ...     async with AsyncUploadClient() as client, client.session() as session:
        ...         return await client.upload_file(session.id, b"content", filename="a.txt")
        >>> anyio.run(main).size
        7
    """

    _connections: AsyncConnections

    async def upload_file(
        self, session_id: SessionInput, file: AsyncFileInput, **options: Unpack[UploadOptions]
    ) -> UploadedFile:
        """Put a file into the uploads directory of a session.

        As `UploadClient.upload_file`, to be awaited; async file objects and iterables are files, too, and an
        `on_progress` that has to be awaited is awaited. Cancelling it closes the file and the connection at once and
        leaves the client usable. What a thread still waits for then is left behind.
        """
        session = SessionId(session_id)
        del session_id
        with self._call():
            call = _Upload(self.settings, session, file, options)
            with call.in_time():
                source = await opened_async(call.part, within=call.deadline.left())
            with source:
                return await run_async(call.steps(source), self._connections.do)

    async def upload_files(
        self,
        session_id: SessionInput,
        files: Iterable[AsyncFileInput] | AsyncIterable[AsyncFileInput] | Mapping[str, AsyncContent],
        **options: Unpack[BatchOptions],
    ) -> UploadReport:
        """Put many files into a session, a few at a time.

        As `UploadClient.upload_files`, to be awaited. Cancelling it cancels what runs. No `executor` uploads through an
        `http_client` that was passed in.
        """
        session = SessionId(session_id)
        del session_id
        with self._call():
            batch = Batch(files, self.settings, session.uuid(), **options)
            if batch.executor:
                self._connections.check_own()
            return await _batch.run_async(
                batch,
                lambda task, told: self.upload_file(
                    session.uuid(), task.file, on_progress=told, checksum=batch.checksum
                ),
            )

    async def create_session(self, **body: Any) -> Session:
        """Start a browser session. As `UploadClient.create_session`, to be awaited."""
        with self._call():
            return await run_async(sessions.create_session(self.settings, body), self._connections.do)

    async def get_session(self, session_id: SessionInput) -> str | None:
        """Return the status of a session. As `UploadClient.get_session`, to be awaited."""
        session = SessionId(session_id)
        del session_id
        with self._call():
            return await run_async(sessions.get_session(self.settings, session), self._connections.do)

    async def end_session(self, session_id: SessionInput) -> None:
        """End a session and its browser. As `UploadClient.end_session`, to be awaited."""
        session = SessionId(session_id)
        del session_id
        with self._call():
            await run_async(sessions.end_session(self.settings, session), self._connections.do)

    async def list_sessions(self) -> tuple[SessionInfo, ...]:
        """List the sessions of the API key. As `UploadClient.list_sessions`, to be awaited."""
        with self._call():
            return await run_async(sessions.list_sessions(self.settings), self._connections.do)

    async def end_all_sessions(self) -> None:
        """End all sessions of the API key. As `UploadClient.end_all_sessions`, to be awaited."""
        with self._call():
            await run_async(sessions.end_all_sessions(self.settings), self._connections.do)

    @asynccontextmanager
    async def session(self, **body: Any) -> AsyncIterator[Session]:
        """Start a session, and end it when the block is left. As `UploadClient.session`, with `async with`.

        Also when it is left by an error or a cancellation, which then waits for the service for up to 10 seconds.
        """
        session = await self.create_session(**body)
        left = False
        try:
            yield session
            left = True
            with _gone_already():
                await self.end_session(session.id)
        except BaseException as error:
            if not (left and isinstance(error, (AnchorUploadsError, ContractDrift))):
                farewell = anyio.move_on_after(_FAREWELL_SECONDS, shield=True)
                with _warning_of(session), farewell, _gone_already():
                    await self.end_session(session.id)
                if farewell.cancelled_caught:
                    _log.warning("session %s may go on: no answer came within %d s", session.id, _FAREWELL_SECONDS)
            raise

    async def close(self) -> None:
        """Close the connections; calls under way may end first. As `UploadClient.close`, to be awaited."""
        await self._connections.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    def _set_up(self, settings: Settings, http_client: httpx.AsyncClient | None) -> None:
        self.settings = settings
        self._connections = AsyncConnections(http_client, settings.base_url)


def upload_file(session_id: SessionInput, file: FileInput, **options: Any) -> UploadedFile:
    """Upload one file with a client made for it. Keep an `UploadClient` for many.

    Args:
        session_id: As for `UploadClient.upload_file`.
        file: As for `UploadClient.upload_file`.
        options: Those of `UploadClient.upload_file`, and those of `UploadClient` itself, such as `api_key` or
            `base_url`.

    Returns:
        Where the remote browser sees the file, and what was sent.

    Raises:
        AnchorUploadsError: As by `UploadClient.upload_file`.

    Example:
        >>> from anchor_uploads import upload_file
        >>> upload_file(session.id, "report.pdf", max_retries=4).content_type
        'application/pdf'
    """
    of_file, of_client = _parted(options)
    with UploadClient(**of_client) as client:
        return client.upload_file(session_id, file, **of_file)


async def upload_file_async(session_id: SessionInput, file: AsyncFileInput, **options: Any) -> UploadedFile:
    """Upload one file with an `AsyncUploadClient` made for it. As `upload_file`, to be awaited."""
    of_file, of_client = _parted(options)
    async with AsyncUploadClient(**of_client) as client:
        return await client.upload_file(session_id, file, **of_file)


def _parted(options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    of_file = {name: options.pop(name) for name in FileOptions.__optional_keys__ & options.keys()}
    if options.get("api_key") is not None:
        options["api_key"] = ApiKey(options["api_key"])
    return of_file, options


@contextmanager
def _gone_already() -> Iterator[None]:
    try:
        yield
    except StatusError as error:
        if error.status_code != 404:
            raise


@contextmanager
def _warning_of(session: Session) -> Iterator[None]:
    """Let the error that ended a session's block be the one to see, but say that the session goes on."""
    try:
        # Where warnings are errors, this one comes of a session that was ended.
        with suppress(ContractDrift):
            yield
    except AnchorUploadsError as error:
        _log.warning("session %s could not be ended: %s", session.id, error)
