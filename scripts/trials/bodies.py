"""Bodies around every block's edge, from every kind of file, and files that change while they are read."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from anchor_uploads import SourceError, UploadedFile
from support.raw_server import RawServer
from support.twins import SESSION, call_aiohttp, call_async, call_sync
from trials.trial import KEY, Trial, check_held, hold, once, outcome_of

CALLS = (call_sync, call_async, call_aiohttp)
# Where reading, sending, copying or keeping in memory goes on in another block.
EDGES = (0, 1, 100, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 2 << 20, 4 << 20)
WRITER = "import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read())"


def _in_blocks(content: bytes, chance: random.Random) -> Iterator[bytes]:
    at = 0
    while at < len(content):
        size = chance.choice([0, 1, 1000, 65_536, 300_000, 1 << 20])
        yield content[at : at + size]
        at += size


async def _in_async_blocks(content: bytes, chance: random.Random) -> AsyncIterator[bytes]:
    for block in _in_blocks(content, chance):
        yield block


def sizes_around_edges(trial: Trial) -> int:
    """A size near an edge, from each kind of file, in content that looks like a form's own."""
    chance = trial.random
    size = max(0, chance.choice(EDGES) + chance.randint(-260, 2) * chance.choice([0, 1]))
    content = (chance.choice([b"\r\n--", b"--\r\n", b"\r", b"\n--boundary--\r\n"]) * 7 + chance.randbytes(size))[:size]
    path = trial.directory / "a.bin"
    path.write_bytes(b"skipped" + content)
    offset = path.open("rb")
    offset.seek(7)
    whole = trial.directory / "b.bin"
    whole.write_bytes(content)
    with subprocess.Popen([sys.executable, "-c", WRITER, str(whole)], stdout=subprocess.PIPE) as writer, offset:
        files: dict[str, Any] = {
            "bytes": content,
            "path": whole,
            "an open file": offset,
            "BytesIO": io.BytesIO(content),
            "a pipe": writer.stdout,
            "blocks": _in_blocks(content, chance),
            "awaited blocks": _in_async_blocks(content, chance),
        }
        for kind, file in files.items():
            call = chance.choice(CALLS[1:] if kind == "awaited blocks" else CALLS)
            with RawServer() as server:
                options = {"filename": "a.bin", "checksum": True, "client": {"api_key": KEY}}
                outcome = outcome_of(call, server.base_url, "upload_file", SESSION, file, **options)
                hold(isinstance(outcome, UploadedFile), f"{size} bytes from {kind}: {outcome!r}")
                check_held(outcome, [it.part()[1] for it in server.requests], content)
    return len(files)


def _grow(path: Path, chance: random.Random) -> None:
    with path.open("ab") as file:
        file.write(chance.randbytes(chance.choice([1, 300_000])))


def _shrink(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size + 1))


def _rewrite(path: Path, _chance: random.Random) -> None:
    with path.open("r+b") as file:
        file.write(b"\xff" * path.stat().st_size)


def _replace(path: Path, chance: random.Random) -> None:
    other = path.with_name("other")
    other.write_bytes(chance.randbytes(path.stat().st_size))
    other.replace(path)


def _remove(path: Path, _chance: random.Random) -> None:
    path.unlink()


CHANGES: tuple[Callable[[Path, random.Random], None], ...] = (_grow, _shrink, _rewrite, _replace, _remove)


def files_that_change(trial: Trial) -> int:
    """What is held in the end is what the file was at one moment, whole, or nothing."""
    for change in CHANGES if os.name != "nt" else CHANGES[:3]:
        chance = trial.random
        size = chance.choice([1000, 700_000, 3_000_000])
        content, path = b"\0" * size, trial.directory / f"{change.__name__}.bin"
        done: list[None] = []
        path.write_bytes(content)
        moment = chance.random() * size

        def on_progress(progress: Any) -> None:
            if progress.sent >= moment and not done:  # noqa: B023
                done.append(change(path, chance))  # noqa: B023

        call = chance.choice(CALLS)
        with RawServer() as server:
            options = {"filename": "a", "client": {"api_key": KEY, "progress_interval": 0}, "on_progress": on_progress}
            outcome = outcome_of(call, server.base_url, "upload_file", SESSION, path, **options)
            server.settle()
            told = f"{change.__name__} at {moment:.0f} of {size}: {outcome!r}"
            hold(isinstance(outcome, (UploadedFile, SourceError)), told)
            held = [it.part()[1] for it in server.requests if it.complete]
            check_held(outcome, held, content) if len(set(b"".join(held))) < 2 else hold(False, f"a mixture, {told}")
    return len(CHANGES)


@once
def five_gib(trial: Trial) -> int:
    """A sparse file of 5 GiB (256 MiB if it has to be quick) takes no more memory than another."""
    size = 256 << 20 if trial.quick else 5 << 30
    for call in ("sync", "async"):
        with RawServer(keep=False) as server:
            command = [sys.executable, "-m", "benchmark.programs.memory", "path", server.base_url, str(size), call]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            hold(done.returncode == 0, f"{call}: {done.stderr[-300:]}")
            (request,) = server.requests
            hold(request.complete and 0 < request.received - size < 1000, f"{call}: {request.received} bytes arrived")
            memory = json.loads(done.stdout)["memory"]
            hold(memory < 150 << 20, f"{call}: took {memory >> 20} MiB of memory")
        trial.alive()
    return 2


TRIALS = (sizes_around_edges, files_that_change, five_gib)
