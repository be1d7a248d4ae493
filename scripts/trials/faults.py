"""A proxy of our own that cuts, stalls, trickles, resets or answers itself, at every stage."""

from __future__ import annotations

import os
import random
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import trustme
from httpx_aiohttp import HttpxAiohttpClient

from anchor_uploads import StatusError
from support.raw_server import RESETTING, RawServer
from support.twins import SESSION, AsyncCall, SyncCall
from trials.trial import IMPATIENT, KEY, Trial, check_held, hold, outcome_of

BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\nRetry-After: 0\r\n\r\n"
ACTS = ("cut", "half", "reset", "stall", "delay", "trickle", "answer", "garbage")


class Fault(NamedTuple):
    """What happens to a connection when so many bytes went up to the server, or down from it."""

    act: str
    up: bool
    after: int


class Proxy:
    """Relays to the server at `url`, also by CONNECT, while its `with` block runs. Each connection meets one fault."""

    def __init__(self, url: str, faults: list[Fault], chance: random.Random) -> None:
        self._server = (urlsplit(url).hostname or "", urlsplit(url).port or 0)
        self._faults = faults
        self._chance = chance
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        # Connections inherit it: little is on the way when something happens to it.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.answered = 0

    def __enter__(self) -> Proxy:
        self._start(self._accept)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        self._close(self._listener)
        self._threads.pop(0).join()
        for each in self._sockets:
            self._close(each)
        while self._threads:
            self._threads.pop().join()

    @staticmethod
    def _close(it: socket.socket) -> None:
        # Whoever reads or accepts there wakes up by it; a socket that is merely closed may leave it waiting.
        with suppress(OSError):
            it.shutdown(socket.SHUT_RDWR)
        it.close()

    def _start(self, target: Any, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)
        thread.start()
        self._threads.append(thread)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                fault = self._faults.pop(0) if self._faults else None
                self._start(self._serve, client, server, fault)

    def _serve(self, client: socket.socket, server: socket.socket, fault: Fault | None) -> None:
        with suppress(OSError):
            if client.recv(8, socket.MSG_PEEK) == b"CONNECT ":
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += client.recv(1)
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        self._start(self._copy, client, server, fault if fault and fault.up else None, client)
        self._start(self._copy, server, client, fault if fault and not fault.up else None, client)

    def _copy(self, source: socket.socket, target: socket.socket, fault: Fault | None, client: socket.socket) -> None:
        passed = 0
        with suppress(OSError):
            while block := source.recv(32 * 1024):
                if fault and passed + len(block) > fault.after:
                    before = fault.after - passed
                    target.sendall(block[:before])
                    block = block[before:]
                    if not self._meet(fault, block, source, target, client):
                        return
                    fault = None
                else:
                    target.sendall(block)
                passed += len(block)
            target.shutdown(socket.SHUT_WR)

    def _meet(
        self, fault: Fault, block: bytes, source: socket.socket, target: socket.socket, client: socket.socket
    ) -> bool:
        """Do it; tell whether the connection goes on."""
        if fault.act in ("delay", "trickle"):
            size = len(block) if fault.act == "delay" else self._chance.randint(1, 50)
            pieces = [block[at : at + size] for at in range(0, min(len(block), size * 10), size)]
            for piece in [*pieces, block[size * 10 :]]:
                self._over.wait(0.3 if fault.act == "delay" else 0.02)
                target.sendall(piece)
            return True
        if fault.act == "stall":
            self._over.wait(10)
        elif fault.act == "reset":
            for each in (source, target):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETTING)
        elif fault.act == "garbage":
            target.sendall(self._chance.randbytes(self._chance.randint(1, 3000)))
        elif fault.act == "answer":
            self.answered += 1
            client.sendall(BAD_GATEWAY)
        elif fault.act == "half":
            target.shutdown(socket.SHUT_WR)
            return False
        for each in (source, target):
            # Who reads there in another thread has to let go of it before it can be reset.
            each.shutdown(socket.SHUT_RD if fault.act == "reset" else socket.SHUT_RDWR)
            if fault.act == "reset":
                each.close()
        return False


class Trust(NamedTuple):
    server: ssl.SSLContext
    client: ssl.SSLContext


@contextmanager
def _trust() -> Iterator[Trust]:
    """Certificates of an authority of our own, also for the clients that read the environment."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    with authority.cert_pem.tempfile() as path:
        os.environ["SSL_CERT_FILE"] = path
        yield Trust(server, client)


def _faults(chance: random.Random, size: int, *, tls: bool) -> list[Fault]:
    def fault() -> Fault:
        up = chance.random() < 0.6
        stages = [0, chance.randrange(600), chance.randrange(size + 1000), size + chance.randint(-100, 1500)]
        return Fault(
            chance.choice(ACTS if tls or not up else ACTS[:-1]), up, max(0, chance.choice(stages if up else stages[:2]))
        )

    return [fault() for _ in range(chance.randint(1, 3))]


def _upload(trial: Trial, *, tls: bool, by_proxy: bool) -> None:
    chance, trust = trial.random, trial.scene.shared(_trust)
    content = chance.randbytes(chance.choice([0, 10, 70_000, 3_000_000]))
    faults = _faults(chance, len(content), tls=tls)
    call: Any = chance.choice(
        [SyncCall(httpx.Client), AsyncCall(httpx.AsyncClient)]
        + ([] if by_proxy else [SyncCall(), AsyncCall(), AsyncCall(HttpxAiohttpClient)])
    )
    client = {
        "api_key": KEY,
        "timeout": IMPATIENT,
        "deadline": chance.choice([1.0, 4.0]),
        "max_retries": chance.randint(0, 2),
        "retry_unknown": chance.random() < 0.2,
    }
    told = list(faults)
    with RawServer(tls=trust.server if tls else None, narrow=True) as server:
        url = server.base_url.replace("http:", "https:") if tls else server.base_url
        with Proxy(url, faults, chance) as proxy:
            base_url = url if by_proxy else proxy.url.replace("http:", "https:") if tls else proxy.url
            http: dict[str, Any] = {"verify": trust.client, **({"proxy": proxy.url} if by_proxy else {})}
            file = (
                content if chance.random() < 0.5 else iter([content[: len(content) // 2], content[len(content) // 2 :]])
            )
            options: dict[str, Any] = {"client": client, **({"http": http} if call.own else {})}
            outcome = outcome_of(call, base_url, "upload_file", SESSION, file, filename="a.bin", **options)
        server.settle()
        held = [it.part()[1] for it in server.requests if it.complete]
        # A proxy that says 502 of what it has passed on has asked for it again.
        twice = client["retry_unknown"] or bool(proxy.answered)
        try:
            check_held(outcome, held, content, twice=bool(twice))
            hold(not isinstance(outcome, StatusError) or proxy.answered, f"a status that nobody said: {outcome!r}")
        except AssertionError as wrong:
            raise type(wrong)(f"{wrong}; {call}, {len(content)} bytes, {client}, {told}") from None


def faults_in_the_clear(trial: Trial) -> None:
    _upload(trial, tls=False, by_proxy=False)


def faults_in_tls(trial: Trial) -> None:
    _upload(trial, tls=True, by_proxy=False)


def faults_of_a_proxy_that_is_set(trial: Trial) -> None:
    _upload(trial, tls=trial.random.random() < 0.5, by_proxy=True)


TRIALS = (faults_in_the_clear, faults_in_tls, faults_in_the_clear, faults_of_a_proxy_that_is_set)
