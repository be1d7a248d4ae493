"""Thousands of uploads, after which a process has no more descriptors, threads and memory than before."""

from __future__ import annotations

import asyncio
import gc
import io
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx_aiohttp
import psutil

from anchor_uploads import AsyncUploadClient, ConnectionFailed, SourceError, UploadClient, UploadedFile
from benchmark.processes import serving
from support.twins import SESSION
from trials.trial import KEY, Trial, hold, outcome_of

AT_ONCE = 16
CONTENT = bytes(range(256)) * 40


def _file(at: int, trial: Trial) -> Any:
    """Return a file of one of several kinds, which has `CONTENT`."""
    kinds: tuple[Callable[[], Any], ...] = (
        lambda: CONTENT,
        lambda: io.BytesIO(CONTENT),
        lambda: trial.directory / "a.bin",
        lambda: iter([CONTENT[:1000], CONTENT[1000:]]),
        lambda: trial.directory / "missing.bin",
    )
    return kinds[at % len(kinds)]()


def _judge(outcome: object, at: int) -> None:
    right = isinstance(outcome, SourceError if at % 5 == 4 else UploadedFile)
    hold(right, f"upload {at}: {outcome!r}")


def _measured() -> dict[str, int]:
    gc.collect()
    process = psutil.Process()
    descriptors = process.num_handles() if sys.platform == "win32" else process.num_fds()
    return {"descriptors": descriptors, "threads": process.num_threads(), "memory": process.memory_info().rss}


class Flat:
    """Hears of uploads, and holds at the end that nothing grew after a twentieth of them."""

    def __init__(self, trial: Trial) -> None:
        self.count = 400 if trial.quick else 3400
        self._trial = trial
        self._before: dict[str, int] = {}
        (trial.directory / "a.bin").write_bytes(CONTENT)

    def after(self, at: int) -> None:
        if at % 500 == 0:
            self._trial.alive()
            # What the garbage of thousands took at once stays with the process, and would look as if it had grown.
            gc.collect()
        if at == self.count // 20:
            self._before = _measured()

    def judge(self) -> int:
        after = _measured()
        grown = {name: value - self._before[name] for name, value in after.items()}
        # A sixth of a kilobyte for each upload, and what the allocator keeps.
        allowed = {"descriptors": 2 * AT_ONCE, "threads": AT_ONCE, "memory": (8 << 20) + self.count * 160}
        for name, value in grown.items():
            hold(value <= allowed[name], f"{name} grew by {value:,} in {self.count} uploads")
        return self.count


def one_after_another(trial: Trial) -> int:
    flat = Flat(trial)
    with serving("sink") as server, UploadClient(api_key=KEY, base_url=f"http://127.0.0.1:{server.port}") as client:
        for at in range(flat.count):
            _judge(outcome_of(client.upload_file, SESSION, _file(at, trial), filename="a.bin"), at)
            flat.after(at)
        return flat.judge()


def a_client_each_time(trial: Trial) -> int:
    """Clients that are made, used and closed, every third of them for nothing."""
    flat = Flat(trial)
    with serving("sink") as server:
        for at in range(flat.count // 5):
            url = f"http://127.0.0.1:{server.port if at % 3 else 1}"
            with UploadClient(api_key=KEY, base_url=url, max_retries=0) as client:
                outcome = outcome_of(client.upload_file, SESSION, CONTENT, filename="a.bin")
            hold(isinstance(outcome, UploadedFile if at % 3 else ConnectionFailed), f"upload {at}: {outcome!r}")
            flat.after(at)
        return flat.judge() // 5


def tasks_by_httpx(trial: Trial) -> int:
    return _by_tasks(trial, by_aiohttp=False)


def tasks_by_aiohttp(trial: Trial) -> int:
    return _by_tasks(trial, by_aiohttp=True)


def _by_tasks(trial: Trial, *, by_aiohttp: bool) -> int:
    flat = Flat(trial)

    async def run(port: int) -> int:
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(httpx_aiohttp.HttpxAiohttpClient()) if by_aiohttp else None
            url = f"http://127.0.0.1:{port}"
            client = AsyncUploadClient(api_key=KEY, base_url=url, http_client=http)
            await stack.enter_async_context(client)
            numbers = iter(range(flat.count))

            async def work() -> None:
                for at in numbers:
                    try:
                        outcome: object = await client.upload_file(SESSION, _file(at, trial), filename="a.bin")
                    except (SourceError, ConnectionFailed) as error:
                        outcome = error
                    _judge(outcome, at)
                    flat.after(at)

            await asyncio.gather(*(work() for _ in range(AT_ONCE)))
            return flat.judge()

    with serving("sink") as server:
        # Without the debugging of -X dev, which keeps more of each task.
        return asyncio.run(run(server.port), debug=False)


TRIALS = (one_after_another, tasks_by_httpx, tasks_by_aiohttp, a_client_each_time)
