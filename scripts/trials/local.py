"""The local Anchor under attack: after each, it still takes an honest file, and what it said before was true."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil

from anchor_uploads import UploadClient, UploadedFile, errors
from anchor_uploads.local import LocalServer, find_browser
from trials.trial import IMPATIENT, KEY, LeftOut, Trial, hold, outcome_of

BOUNDARY = b"xBOUNDARYx"
PART = b'--xBOUNDARYx\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\n'
SERVE = "import sys; from anchor_uploads.local.foreground import LocalServer, serve; sys.exit(serve(LocalServer({})))"


@contextmanager
def _anchor() -> Iterator[LocalServer]:
    with LocalServer(api_key=KEY, browser=False, max_upload_bytes=50_000_000) as anchor:
        yield anchor


@contextmanager
def _session(anchor: LocalServer, **options: Any) -> Iterator[tuple[UploadClient, str]]:
    """A session, for which an honest upload works afterwards, too."""
    with UploadClient(api_key=KEY, base_url=anchor.base_url, **options) as client, client.session() as session:
        yield client, session.id
        outcome = outcome_of(client.upload_file, session.id, b"honest", filename="honest")
        hold(isinstance(outcome, UploadedFile) and Path(str(outcome.path)).read_bytes() == b"honest", repr(outcome))
        left = [path.name for path in Path(str(outcome.path)).parents[1].glob("*.part")]
        hold(not left, f"left in the session's directory: {left}")


def _raw(anchor: LocalServer, session_id: str, *headers: bytes) -> socket.socket:
    url = urlsplit(anchor.base_url)
    connection = socket.create_connection((url.hostname, url.port or 80), timeout=20)
    lines = [b"POST /v1/sessions/%b/uploads HTTP/1.1" % session_id.encode(), b"Anchor-Api-Key: " + KEY.encode()]
    lines += [b"Content-Type: multipart/form-data; boundary=" + BOUNDARY, *headers]
    connection.sendall(b"\r\n".join([*lines, b"", b""]))
    return connection


def _status(connection: socket.socket) -> int:
    with connection:
        try:
            return int(connection.recv(65536).split(b" ")[1])
        except (OSError, IndexError):
            return 0


def uploads_at_once(trial: Trial) -> int:
    """Two hundred, of which some have one name: of that, one is there in the end, whole."""
    with _session(trial.scene.shared(_anchor)) as (client, session_id):
        files = [(f"{at % 150}.bin", trial.random.randbytes(trial.random.choice([10, 70_000]))) for at in range(200)]
        with ThreadPoolExecutor(100) as threads:
            outcomes = list(
                threads.map(lambda it: outcome_of(client.upload_file, session_id, it[1], filename=it[0]), files)
            )
        failed = [it for it in outcomes if not isinstance(it, UploadedFile)]
        hold(not failed, f"{len(failed)} failed, such as {failed[:1]}")
        for name in {name for name, _content in files}:
            held = Path(outcomes[0].path).with_name(name).read_bytes()
            hold(held in [content for each, content in files if each == name], f"{name} is a mixture")
    return len(files)


def multipart_bombs(trial: Trial) -> int:
    chance, part = trial.random, PART % b"a"
    bombs = {
        "parts": b'--xBOUNDARYx\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n' * 60_000,
        "one header": b"--xBOUNDARYx\r\nX: " + b"y" * 5_000_000,
        "headers": b"--xBOUNDARYx\r\n" + b"X: y\r\n" * 500_000,
        "header names": b"--xBOUNDARYx\r\n" + b"y" * 5_000_000,
        "parameters": b"--xBOUNDARYx\r\nContent-Disposition: form-data" + b"; a=b" * 3000 + b"\r\n\r\n",
        "quotes": b'--xBOUNDARYx\r\nContent-Disposition: form-data; name="' + b'\\"' * 8000 + b"\r\n\r\n",
        "preamble": b"\r\n" * 2_000_000,
        "nearly boundaries": part + b"\r\n--xBOUNDARY" * 400_000,
        "dashes": part + b"\r\n--" * 1_000_000,
        "no end": part + b"x" * 1_000_000,
        "files": (part + b"x\r\n") * 1000,
        "chance": chance.randbytes(100_000),
        "an epilogue": part + b"x\r\n--xBOUNDARYx--\r\n" + b"y" * 3_000_000,
    }
    anchor = trial.scene.shared(_anchor)
    with _session(anchor) as (_client, session_id):
        for name, body in bombs.items():
            started = time.process_time()
            with httpx.Client(trust_env=False, timeout=60) as client:
                answer = client.post(
                    f"{anchor.base_url}/v1/sessions/{session_id}/uploads",
                    content=body,
                    headers={"anchor-api-key": KEY, "content-type": "multipart/form-data; boundary=xBOUNDARYx"},
                )
            expected = 200 if name == "an epilogue" else 400
            hold(answer.status_code == expected, f"{name}: answered with {answer.status_code}")
            hold(time.process_time() - started < 10, f"{name}: took {time.process_time() - started:.0f} s")
    return len(bombs)


def slow_senders(trial: Trial) -> int:
    """Many who send a byte now and then, or nothing, are in nobody's way."""
    anchor = trial.scene.shared(_anchor)
    with _session(anchor) as (client, session_id):
        senders = [_raw(anchor, session_id, b"Host: 127.0.0.1", b"Content-Length: 10000") for _ in range(60)]
        for at in range(5):
            for sender in trial.random.sample(senders, 30):
                sender.sendall((PART % b"slow")[at : at + 1])
            outcome = outcome_of(client.upload_file, session_id, bytes(100_000), filename="quick", deadline=20)
            hold(isinstance(outcome, UploadedFile), repr(outcome))
        for sender in senders:
            sender.close()
        hold([it.name for it in anchor.uploads(session_id)] == ["quick"], "half a file was taken for a whole one")
    return len(senders)


def forged_hosts(trial: Trial) -> int:
    hosts = (
        b"evil.example",
        b"127.0.0.1.evil.example",
        b"localhost@evil",
        b"",
        b"\xff",
        b"[::1",
        b"a" * 9000,
        b"127.1",
    )
    anchor = trial.scene.shared(_anchor)
    body = PART % b"forged" + b"x\r\n--xBOUNDARYx--\r\n"
    with _session(anchor) as (_client, session_id):
        for host in hosts:
            connection = _raw(anchor, session_id, b"Host: " + host, b"Content-Length: %d" % len(body))
            with contextlib.suppress(OSError):
                connection.sendall(body)
            status = _status(connection)
            hold(status in (400, 421, 431), f"the host {host[:50]!r} is answered with {status}")
        hold(not anchor.uploads(session_id), "a forged request was obeyed")
    return len(hosts)


@contextmanager
def _small_disk(trial: Trial) -> Iterator[Path]:
    """A file system of 8 MiB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise LeftOut("a full disk: a small file system needs Linux and root")
    place = trial.directory / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "torture", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LeftOut(f"a full disk: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)  # noqa: S607


def a_full_disk(trial: Trial) -> int:
    with (
        _small_disk(trial) as place,
        LocalServer(api_key=KEY, browser=False, directory=place) as anchor,
        _session(anchor, max_retries=0) as (client, session_id),
    ):
        for at in range(6):
            size = trial.random.choice([3_000_000, 9_000_000, 20_000_000])
            outcome = outcome_of(client.upload_file, session_id, bytes(size), filename=f"{at}")
            held = {it.name: it.path.stat().st_size for it in anchor.uploads(session_id)}
            hold((f"{at}" in held) == isinstance(outcome, UploadedFile), f"{size}: {outcome!r}, and held: {held}")
            hold(isinstance(outcome, (UploadedFile, errors.ServerError)), repr(outcome))
        for path in place.glob("*/*/uploads/*"):
            path.unlink()
    return 6


def directories_that_are_gone(trial: Trial) -> int:
    if os.name == "nt":
        raise LeftOut("directories that are gone: Windows keeps what is open")
    anchor = trial.scene.shared(_anchor)
    with UploadClient(api_key=KEY, base_url=anchor.base_url, max_retries=0) as client:
        for whole in (False, True):
            with client.session() as session:
                directory = Path(str(client.upload_file(session, b"x", filename="a").path)).parent
                outcome = outcome_of(
                    client.upload_file,
                    session,
                    bytes(8_000_000),
                    filename="b",
                    on_progress=lambda _: shutil.rmtree(directory.parent if whole else directory, ignore_errors=True),  # noqa: B023
                )
                hold(isinstance(outcome, errors.AnchorUploadsError), f"a success without a directory: {outcome!r}")
            hold(client.get_session(client.create_session().id) == "running", "no session after that")
    return 2


def a_browser_that_is_killed(trial: Trial) -> int:
    if find_browser() is None:
        raise LeftOut("a browser that is killed: no Chrome, Chromium or Edge here")
    place = trial.directory
    with LocalServer(api_key=KEY, directory=place) as anchor:
        with UploadClient(api_key=KEY, base_url=anchor.base_url, max_retries=0) as client:
            session = client.create_session()
            browsers = [it for it in psutil.process_iter(["cmdline"]) if session.id in str(it.info["cmdline"])]
            hold(browsers, "no browser runs")
            moment = trial.random.random() * 20_000_000
            with contextlib.suppress(psutil.NoSuchProcess):
                outcome = outcome_of(
                    client.upload_file,
                    session,
                    bytes(20_000_000),
                    filename="a",
                    on_progress=lambda it: browsers[0].kill() if it.sent > moment else None,
                )
                hold(isinstance(outcome, (UploadedFile, errors.SessionNotFound)), repr(outcome))
            ends = time.monotonic() + 20
            while isinstance(outcome_of(client.get_session, session), str) and time.monotonic() < ends:
                time.sleep(0.05)
            hold(isinstance(outcome_of(client.get_session, session), errors.SessionNotFound), "its session lives on")
        with _session(anchor):
            pass
    hold(not any(place.iterdir()), f"left: {[*place.rglob('*')][:5]}")
    return 1


def a_server_that_is_killed(trial: Trial) -> int:
    """In the midst of an upload, or after it; the next one, at the same port, sweeps up and goes on."""
    place, port = trial.directory, 0
    for _ in range(3):
        program = SERVE.format(f"port={port}, browser=False, api_key={KEY!r}, directory={str(place)!r}")
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            url = process.stdout.readline().strip()
            try:
                with UploadClient(api_key=KEY, base_url=url, timeout=IMPATIENT, max_retries=1) as client:
                    session = client.create_session()
                    there = [path for path in place.glob("*/*") if path.is_dir()]
                    hold(len(there) == 1, f"what was before is still there: {there}")
                    moment = trial.random.choice([-1, trial.random.randrange(10_000_000), 1 << 30])
                    outcome = outcome_of(
                        client.upload_file,
                        session,
                        bytes(10_000_000),
                        filename="a",
                        on_progress=lambda it: process.kill() if it.sent > moment else None,  # noqa: B023
                    )
                    stored = [path.stat().st_size for path in place.glob("*/*/uploads/a")]
                    told = f"killed at {moment}: {outcome!r}, and {stored} are stored"
                    hold(isinstance(outcome, (UploadedFile, errors.ConnectionFailed, errors.OutcomeUnknown)), told)
                    hold(stored == [10_000_000] or not isinstance(outcome, UploadedFile), told)
                    hold(not stored or not isinstance(outcome, errors.ConnectionFailed), told)
            finally:
                process.kill()
        port = urlsplit(url).port or 0
    with LocalServer(port=port, browser=False, api_key=KEY, directory=place):
        pass
    hold(not any(place.iterdir()), f"left: {[*place.rglob('*')][:5]}")
    return 3


TRIALS = (
    uploads_at_once,
    multipart_bombs,
    slow_senders,
    forged_hosts,
    a_full_disk,
    directories_that_are_gone,
    a_browser_that_is_killed,
    a_server_that_is_killed,
)
