"""The server: in the background as a context manager, in the foreground for the command line."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import UUID

import anyio
import uvicorn
from anyio import to_thread
from uvicorn.protocols.http.h11_impl import H11Protocol

from anchor_uploads.local.browser.find import BrowserNotFound, find_browser
from anchor_uploads.local.clock import monotonic
from anchor_uploads.local.disk.ownership import owned
from anchor_uploads.local.disk.removal import remove_tree
from anchor_uploads.local.faults import Faults
from anchor_uploads.local.http.app import create_app
from anchor_uploads.local.http.cdp_proxy import CdpProxy
from anchor_uploads.local.http.hosts import Hosts
from anchor_uploads.local.leftovers import ROOT_PREFIX, sweep
from anchor_uploads.local.open_files import raise_limit
from anchor_uploads.local.options import Options, is_loopback
from anchor_uploads.local.proactor import close_what_was_reset
from anchor_uploads.local.records import Listener, ReceivedRequest, ReceivedUpload, Records
from anchor_uploads.local.sessions import Sessions

__all__ = ["LocalServer"]

_logger = logging.getLogger("anchor_uploads.local")


class LocalServer:
    """The Anchor API on this machine, for as long as its `with` block (or `async with`) runs.

    Once entered, it accepts connections. Leaving ends all sessions and returns when no thread, process or file is left,
    Ctrl-C or not. What an earlier server has left that was killed is swept away on entering: in the temporary
    directory, and in `directory`.

    Args:
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.
        browser: Whether each session starts a headless Chromium.
        api_key: The key that clients must send; None makes a random one.
        max_upload_bytes: The largest file that is accepted, in bytes; None means any.
        directory: Where the sessions keep their files. It is created if need be, and stays; what the sessions put there
            goes. None takes a temporary directory.
        max_sessions: How many sessions may run at once; one more is answered with 429. None means 16 with browsers, and
            10,000 without, which are but a directory each. Fewer with browsers where the limit of open files has no
            room for them, which is raised to 10,240 if that is allowed.
        allow_remote: Whether `host` may be other than loopback, so that other machines are let in who know the key, and
            whether the server answers to names other than its own.
        public_url: Where clients reach it through a proxy before it, such as `https://anchor.example`; the URLs that it
            returns begin so. None takes the name that a request calls it by.

    Raises:
        ValueError: One of them cannot be meant.
        BrowserNotFound: On entering, if `browser` is true and there is none.
        OSError: On entering, if the address or the directory cannot be used.

    Example:
        >>> from anchor_uploads.local import LocalServer
        >>> with LocalServer(browser=False, max_upload_bytes=1024) as anchor:
        ...     anchor.base_url.startswith("http://127.0.0.1:")
        True
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        browser: bool = True,
        api_key: str | None = None,
        max_upload_bytes: int | None = None,
        directory: str | os.PathLike[str] | None = None,
        max_sessions: int | None = None,
        allow_remote: bool = False,
        public_url: str | None = None,
    ) -> None:
        self._options = Options(
            host,
            port,
            browser=browser,
            api_key=api_key,
            max_upload_bytes=max_upload_bytes,
            directory=directory,
            max_sessions=max_sessions,
            allow_remote=allow_remote,
            public_url=public_url,
        )
        self._faults = Faults()
        self._records = Records()
        self._listener: Listener | None = None
        self._run: _Run | None = None

    def __repr__(self) -> str:
        return f"<LocalServer {self.base_url if self._run else 'not running'}>"

    @property
    def api_key(self) -> str:
        """The key that clients must send in the `anchor-api-key` header."""
        return self._options.api_key

    @property
    def public_url(self) -> str | None:
        """Where clients reach it through a proxy before it; None if there is none."""
        return self._options.public_url

    @property
    def base_url(self) -> str:
        """Where the API is, such as `http://127.0.0.1:49152`; a `RuntimeError` if it does not run."""
        return self._running().base_url

    @property
    def faults(self) -> Faults:
        """What makes requests fail on demand: `server.faults.add("upload_file", status=503)`."""
        return self._faults

    @property
    def requests(self) -> tuple[ReceivedRequest, ...]:
        """The requests since it was entered, in the order in which they ended; of very many, the newest 10,000.

        Also those that were refused, or that met a fault. Not the WebSockets of CDP clients, and not what a test or a
        live view asks of the server itself. Whoever has an answer finds the request here; one whose connection broke
        may come a moment later.
        """
        return self._records.requests

    def tell_to(self, listener: Listener) -> None:
        """Have each request told to a function once the server is entered, and sessions' starts and ends as lines.

        Args:
            listener: It is called in the server's thread, and must not wait for anything.

        Example:
            >>> from anchor_uploads.local import LocalServer
            >>> server = LocalServer(browser=False)
            >>> server.tell_to(print)
        """
        self._listener = listener

    def uploads(self, session_id: str | UUID) -> tuple[ReceivedUpload, ...]:
        """Return the files that were uploaded into a session that runs, in the order in which they arrived.

        A file that replaced another of its name is there once, where it arrived.

        Args:
            session_id: The session.

        Returns:
            What arrived, and where it is on this machine.

        Raises:
            LookupError: No such session runs, and its files are gone; it tells why.
            RuntimeError: The server does not run.

        Example:
            >>> anchor.uploads(session.id)
            ()
        """
        sessions, wanted = self._running().sessions, str(session_id)
        if sessions.get(wanted) is None:
            raise LookupError(sessions.why_not(wanted))
        return self._records.uploads(wanted)

    def wait_for_upload(
        self, session_id: str | UUID | None = None, name: str | None = None, *, timeout: float = 10.0
    ) -> ReceivedUpload:
        """Return the first upload that arrived, or arrives in time, of those that were asked for.

        For code under test that returns before its upload is done, or in another thread or process. In asyncio:
        `await anyio.to_thread.run_sync(anchor.wait_for_upload)`.

        Args:
            session_id: Into this session; None is any that runs.
            name: Of this name; None is any.
            timeout: Seconds to wait.

        Returns:
            What arrived, and where it is on this machine.

        Raises:
            TimeoutError: None came; it tells what did.
            LookupError: The session has ended, so that nothing can arrive any more.
            RuntimeError: The server has ended, or does not run.

        Example:
            >>> uploaded = client.upload_file(session.id, b"a,b", filename="table.csv")
            >>> anchor.wait_for_upload(session.id, "table.csv").read_bytes()
            b'a,b'
        """
        sessions, wanted = self._running().sessions, None if session_id is None else str(session_id)

        def why_not() -> str | None:
            return None if wanted is None or sessions.get(wanted) is not None else sessions.why_not(wanted)

        return self._records.wait_for_upload(wanted, name, timeout, why_not)

    @property
    def alive(self) -> bool:
        """False if it was not entered, was left, or has ended by itself."""
        return self._run is not None and self._run.alive

    def __enter__(self) -> LocalServer:
        if self._run is not None:
            raise RuntimeError(f"this local Anchor runs already, at {self.base_url}")
        executable = find_browser() if self._options.browser else None
        if self._options.browser and executable is None:
            raise BrowserNotFound
        records = Records(self._listener)
        run = _Run(self._options, executable, self._faults, records)
        run.start()
        if not is_loopback(self._options.host):
            _logger.warning("%s lets other machines in: who knows the key controls its browsers", run.base_url)
        self._run, self._records = run, records
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        run, self._run = self._run, None
        if run is not None:
            run.stop()

    async def __aenter__(self) -> LocalServer:
        # It takes some ten milliseconds, and a cancellation in between would lose the server.
        return self.__enter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Browsers take a moment to stop, and the caller's event loop has other things to do.
        await to_thread.run_sync(self.__exit__, exc_type, exc, traceback)

    def _running(self) -> _Run:
        if self._run is None:
            raise RuntimeError("the local Anchor does not run; use: with LocalServer() as anchor:")
        return self._run


class _Run:
    """One life of a server. All it owns is made and removed in its thread, which no Ctrl-C hits."""

    sessions: Sessions

    def __init__(self, options: Options, executable: Path | None, faults: Faults, records: Records) -> None:
        self.base_url = ""
        self._options = options
        self._executable = executable
        self._faults = faults
        self._records = records
        self._ready: Future[None] = Future()
        self._stop: Future[None] = Future()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._main, name="anchor-uploads-local", daemon=True)

    @property
    def alive(self) -> bool:
        return not self._ended.is_set()

    def start(self) -> None:
        self._thread.start()
        try:
            self._ready.result()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        interrupt: KeyboardInterrupt | None = None
        while True:
            try:
                with contextlib.suppress(InvalidStateError):
                    self._stop.set_result(None)
                # Not only join: interrupted, that of Python 3.11 takes the thread for ended.
                self._ended.wait()
                self._thread.join()
                break
            except KeyboardInterrupt as pressed:
                # Leaving now would leave browsers behind.
                interrupt = pressed
        if interrupt is not None:
            raise interrupt

    def _main(self) -> None:
        options = self._options
        try:
            with (
                _listen(options.host, options.port) as listener,
                _root_directory(options.directory) as root,
            ):
                sweep(options.directory)
                self.base_url = _base_url(options.host, listener.getsockname()[1])
                anyio.run(self._serve, listener, root, backend_options={"loop_factory": _Loop})
        except BaseException as problem:
            if self._ready.done():
                _logger.exception("the local Anchor ended by itself")
            elif isinstance(problem, SystemExit):
                # uvicorn's way to say that it cannot start; it must not end the caller.
                self._ready.set_exception(RuntimeError("uvicorn could not start; see its log"))
            else:
                self._ready.set_exception(problem)
        finally:
            if not self._ready.done():
                self._ready.set_exception(RuntimeError("the local Anchor ended before it was ready"))
            self._ended.set()
            self._records.close()

    async def _serve(self, listener: socket.socket, root: Path) -> None:
        options = self._options
        sessions = self.sessions = Sessions(
            root,
            browser=self._executable,
            at_most=options.sessions_at_once,
            records=self._records,
            open_files=raise_limit(),
        )
        app = create_app(
            sessions,
            hosts=Hosts(options.host, any_name=options.allow_remote, public_url=options.public_url),
            api_key=options.api_key,
            max_upload_bytes=options.max_upload_bytes,
            faults=self._faults,
            records=self._records,
        )
        server = _Server(
            uvicorn.Config(
                app,
                http=_QuietProtocol,
                ws=CdpProxy,
                lifespan="on",
                # Logging belongs to the program that we run in.
                log_config=None,
                # Clients drop idle connections after 5 seconds, as uvicorn would; who closes at
                # the very moment the other one sends makes a request fail.
                timeout_keep_alive=75,
                timeout_graceful_shutdown=2,
            )
        )
        server.on_started = lambda: self._ready.set_result(None)
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        await asyncio.wait({serving, asyncio.wrap_future(self._stop)}, return_when=asyncio.FIRST_COMPLETED)
        # Before uvicorn waits for the requests under way: this ends them.
        await sessions.close_all()
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """A uvicorn that says when it accepts connections."""

    on_started: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self.on_started()


class _QuietProtocol(H11Protocol):
    """HTTP without the access log: it would write addresses that let people into a session."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # For faults and records: ASGI has no word for breaking a connection, nor for one that broke.
        self.app_state = {**self.app_state, "abort": transport.abort, "broken": transport.is_closing}
        # asyncio does this only for connections that it knows to be TCP, which accepted ones are not everywhere; an
        # answer whose head and body leave one by one then waits 40 ms for an acknowledgement. One that was reset by
        # now cannot be told.
        with contextlib.suppress(OSError):
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # What lets a port be used again whose connections linger, lets anybody take a port over on Windows; so that has
        # an option against it, which must come first.
        option = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
        listener.setsockopt(socket.SOL_SOCKET, option, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            message = f"port {port} of {host} is taken; choose another, or 0 for any free one"
        else:
            message = f"cannot listen on port {port} of {host}: {error.strerror or error}"
        raise OSError(error.errno, message) from error
    return listener


def _base_url(host: str, port: int) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host or 'localhost'}:{port}"
    if address.is_unspecified:
        # Nobody can connect to it; it stands for all addresses of this machine.
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"http://[{address}]:{port}" if address.version == 6 else f"http://{address}:{port}"


@contextlib.contextmanager
def _root_directory(wanted: Path | None) -> Iterator[Path]:
    if wanted is not None:
        wanted.mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix=ROOT_PREFIX, dir=wanted)).resolve()
    try:
        with owned(root):
            yield root
    finally:
        try:
            remove_tree(root)
        except OSError as error:
            _logger.warning("could not remove %s (%s); remove it by hand", root, error)


class _OwnClock:
    def time(self) -> float:
        return monotonic()


# Whatever policy the program has set, this kind can start processes in a thread.
if sys.platform == "win32":

    class _Loop(_OwnClock, asyncio.ProactorEventLoop):
        def __init__(self) -> None:
            super().__init__()
            close_what_was_reset(asyncio.proactor_events._ProactorBasePipeTransport)

else:

    class _Loop(_OwnClock, asyncio.SelectorEventLoop):
        pass
