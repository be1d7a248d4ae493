"""Many uploads at once over one client, some of them cancelled: each ends in what is true of the server."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import Any

import httpx_aiohttp

from anchor_uploads import AnchorUploadsError, AsyncUploadClient, UploadClient, UploadedFile
from anchor_uploads.local import LocalServer
from trials.trial import KEY, Trial, Wrong, hold, hold_no_key, sha256

Files = dict[str, bytes]
Outcomes = dict[str, UploadedFile | AnchorUploadsError | None]


@contextmanager
def _anchor() -> Iterator[LocalServer]:
    with LocalServer(api_key=KEY, browser=False) as anchor:
        yield anchor


def _files(chance: random.Random, count: int) -> Files:
    sizes = (0, 10, 1000, 70_000, 700_000)
    return {f"{at}.bin": chance.randbytes(chance.choice(sizes)) for at in range(count)}


def _judge(anchor: LocalServer, session_id: str, files: Files, outcomes: Outcomes, *, failing: bool) -> None:
    """failing: whether an upload may come to nothing; one that was cancelled (None) may have come to anything."""
    held = {it.name: it for it in anchor.uploads(session_id)}
    hold(outcomes.keys() == files.keys(), f"{len(outcomes)} outcomes of {len(files)} uploads")
    for name, outcome in outcomes.items():
        hold_no_key(outcome)
        if name in held:
            right = held[name].read_bytes() == files[name] and held[name].sha256 == sha256(files[name])
            hold(right, f"{name} is held with another content")
        if isinstance(outcome, UploadedFile):
            hold(name in held and outcome.name == name, f"a success, and {name} is not held")
        hold(failing or isinstance(outcome, UploadedFile), f"{name}: {outcome!r}")


def threads_over_one_client(trial: Trial) -> int:
    return _by_threads(trial, closing=False)


def a_client_closed_under_threads(trial: Trial) -> int:
    return _by_threads(trial, closing=True)


def _by_threads(trial: Trial, *, closing: bool) -> int:
    anchor, chance = trial.scene.shared(_anchor), trial.random
    files = _files(chance, 96 if trial.quick else 256)
    with UploadClient(api_key=KEY, base_url=anchor.base_url) as owner, owner.session() as session:
        client = UploadClient(api_key=KEY, base_url=anchor.base_url)

        def upload(name: str) -> UploadedFile | AnchorUploadsError:
            try:
                return client.upload_file(session.id, files[name], filename=name)
            except AnchorUploadsError as error:
                return error

        with ThreadPoolExecutor(64) as threads:
            closer = threading.Timer(chance.uniform(0, 0.3) if closing else 60, client.close)
            closer.start()
            outcomes: Outcomes = dict(zip(files, threads.map(upload, files), strict=True))
            closer.cancel()
        client.close()
        _judge(anchor, session.id, files, outcomes, failing=closing)
    return len(files)


def a_batch(trial: Trial) -> int:
    anchor, files = trial.scene.shared(_anchor), _files(trial.random, 100)
    with UploadClient(api_key=KEY, base_url=anchor.base_url) as client, client.session() as session:
        report = client.upload_files(session, files, concurrency=trial.random.choice([1, 8, 64]), checksum=True)
        hold_no_key(report)
        outcomes: Outcomes = {it.name: it for it in report.uploaded}
        _judge(anchor, session.id, files, outcomes, failing=False)
        hold([it.sha256 for it in report.uploaded] == [*map(sha256, files.values())], "checksums, or their order")
    return len(files)


def tasks(trial: Trial) -> int:
    return _by_tasks(trial, lambda _chance: None)


def tasks_that_are_cancelled(trial: Trial) -> int:
    return _by_tasks(trial, lambda chance: chance.choice([None, chance.uniform(0, 0.5), chance.uniform(0, 3)]))


def _by_tasks(trial: Trial, cancelled_after: Callable[[random.Random], float | None]) -> int:
    anchor, chance = trial.scene.shared(_anchor), trial.random
    files = _files(chance, 100 if trial.quick else 500)
    moments = {name: cancelled_after(chance) for name in files}
    outcomes: Outcomes = {}
    complaints: list[dict[str, Any]] = []

    async def upload(client: AsyncUploadClient, session_id: str, name: str) -> None:
        call = asyncio.ensure_future(client.upload_file(session_id, files[name], filename=name))
        moment = moments[name]
        if moment is not None:
            asyncio.get_running_loop().call_later(moment, call.cancel)
        outcomes[name] = None
        with suppress(asyncio.CancelledError):
            try:
                outcomes[name] = await call
            except AnchorUploadsError as error:
                outcomes[name] = error

    async def run() -> None:
        asyncio.get_running_loop().slow_callback_duration = 60
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
        async with AsyncExitStack() as stack:
            http = None
            if chance.random() < 0.5:
                http = await stack.enter_async_context(httpx_aiohttp.HttpxAiohttpClient())
            client = AsyncUploadClient(api_key=KEY, base_url=anchor.base_url, http_client=http)
            await stack.enter_async_context(client)
            session = await stack.enter_async_context(client.session())
            await asyncio.gather(*(upload(client, session.id, name) for name in files))
            after = await client.upload_file(session.id, b"after", filename="after")
            hold(after.size == 5, "no upload after them")
            await asyncio.to_thread(_judge, anchor, session.id, files, outcomes, failing=any(moments.values()))

    asyncio.run(run())
    if complaints:
        raise Wrong(f"the event loop complains: {complaints[0]}")
    failed = [it for it in outcomes.values() if isinstance(it, AnchorUploadsError)]
    hold(not failed, f"{len(failed)} failed, such as {failed[:1]!r}")
    return len(files)


TRIALS = (threads_over_one_client, tasks_that_are_cancelled, a_batch, a_client_closed_under_threads, tasks)
