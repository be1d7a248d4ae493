"""Random servers against a model of what the server holds: what an upload comes to is never a lie.

One sequence is one client, with its connections, and a few uploads one after another; each request of them meets a
server that answers early, late or never, with any status and any body, interim answers before it, or breaks off at any
byte. After each upload its outcome is held against what the server has read and said.

    MODEL_SEQUENCES=2000 ./scripts/test tests/wire/test_model.py     # by hand: more, and others each time
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple
from uuid import UUID

import httpx_aiohttp
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from anchor_uploads import (
    AnchorUploadsError,
    AsyncUploadClient,
    ConnectionFailed,
    SourceError,
    StatusError,
    Timeouts,
    UploadClient,
    UploadedFile,
)
from support.model_server import Answer, Interim, ModelServer, Pause, Read, Request, Script
from support.twins import ANYIO_LOSES_CONNECTIONS, KEY, SESSION

COUNT = int(os.environ.get("MODEL_SEQUENCES", "100"))

DEADLINE = 1.0
TIMEOUTS = Timeouts(connect=0.5, write=0.3, answer=0.3, read=0.3)
# A call ends a second after its deadline at the latest; the other second is for a machine that is busy.
LATE = 1 + 1
PROMPT = 0.2
# Most of the time is waiting.
AT_ONCE = 10
# More than the buffers between two sockets hold. Of less than that, the last byte may be out when an answer comes that
# the server gave without having read it, and nobody can tell.
BUFFERS = 6_000_000
CONTENTS = {size: random.Random(size).randbytes(size) for size in (0, 10, 70_000, 300_000, 3_000_000, 12_000_000)}

Client = UploadClient | AsyncUploadClient


class Upload(NamedTuple):
    size: int
    source: Literal["bytes", "path", "blocks"]
    scripts: tuple[Script, ...]


class Sequence(NamedTuple):
    client: Literal["sync", "async", "aiohttp"]
    max_retries: int
    retry_unknown: bool
    uploads: tuple[Upload, ...]


STATUSES = [200, 201, 204, 302, 307, 400, 401, 404, 408, 413, 429, 500, 503]
BODIES = ["reply", "reply", "reply", "nothing", "no JSON", "other JSON", "bad chunk", "bad gzip", "drip"]


@st.composite
def scripts(draw: st.DrawFn, size: int) -> Script:
    # A form puts some 200 bytes around a file.
    position = st.one_of(st.sampled_from([0, 1, -1, -30]), st.integers(0, 1000), st.integers(0, size + 200))
    before = st.one_of(
        st.builds(Read, position),
        st.builds(Pause, st.sampled_from([0.02, 0.4])),
        st.builds(Interim, st.sampled_from([100, 102, 103]), st.sampled_from([1, 1, 1, 1, 20])),
    )
    steps: list[Any] = draw(st.lists(before, max_size=4))
    if draw(st.sampled_from(["late", "early"])) == "late":
        steps.append(Read(None))
        steps += draw(st.lists(before, max_size=1))
    if draw(st.sampled_from(["answer", "answer", "answer", "nothing"])) == "answer":
        cut = draw(st.one_of(st.none(), st.none(), st.integers(0, 300)))
        steps.append(Answer(draw(st.sampled_from(STATUSES)), draw(st.sampled_from(BODIES)), cut))
    return Script(tuple(steps), draw(st.sampled_from(["keep", "stop", "close", "reset"])))


@st.composite
def uploads(draw: st.DrawFn) -> Upload:
    size = draw(st.sampled_from(sorted(CONTENTS)))
    source = draw(st.sampled_from(["bytes", "path", "blocks"]))
    return Upload(size, source, tuple(draw(st.lists(scripts(size), min_size=1, max_size=3))))


sequences = st.builds(
    Sequence,
    client=st.sampled_from(["sync", "async", "aiohttp"]),
    max_retries=st.integers(0, 2),
    retry_unknown=st.booleans(),
    uploads=st.lists(uploads(), min_size=1, max_size=3).map(tuple),
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model")
    for size, content in CONTENTS.items():
        (directory / f"{size}").write_bytes(content)
    return directory


@pytest.mark.filterwarnings("ignore::anchor_uploads.ContractDrift")
@pytest.mark.timeout(120 + COUNT)
@pytest.mark.filterwarnings(*(["ignore:unclosed:ResourceWarning"] if ANYIO_LOSES_CONNECTIONS else []))
@settings(
    max_examples=max(1, COUNT // AT_ONCE),
    deadline=None,
    derandomize="MODEL_SEQUENCES" not in os.environ,
    database=None,
    # To make a failing sequence small takes longer than to read it.
    phases=[Phase.generate],
    # A busy machine is not to be told from a strategy that is slow by itself.
    suppress_health_check=[HealthCheck.too_slow],
)
@given(several=st.tuples(*[sequences] * AT_ONCE))
def test_an_outcome_is_true_of_what_the_server_holds(directory: Path, several: tuple[Sequence, ...]) -> None:
    asyncio.run(_play_at_once(several, directory))


async def _play_at_once(several: tuple[Sequence, ...], directory: Path) -> None:
    complaints: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    # None of them may have to wait for a thread.
    loop.set_default_executor(ThreadPoolExecutor(4 * AT_ONCE))
    async with AsyncExitStack() as stack:
        # To make a client takes long, and stops the loop: before the first deadline runs.
        plays = [await stack.enter_async_context(_prepared(sequence, directory)) for sequence in several]
        failures = await asyncio.gather(*(play.run() for play in plays), return_exceptions=True)
    for play, failure in zip(plays, failures, strict=True):
        if failure:
            raise AssertionError("\n".join([str(failure), *play.log])) from failure
    assert not complaints, complaints


class Play:
    """One sequence, played and judged; `log` tells what was done, and what came of it."""

    def __init__(self, sequence: Sequence, directory: Path, server: ModelServer, client: Client) -> None:
        self.log = [f"{sequence.client}, max_retries={sequence.max_retries}, retry_unknown={sequence.retry_unknown}"]
        self._sequence = sequence
        self._directory = directory
        self._server = server
        self._client = client

    async def run(self) -> None:
        try:
            for number, upload in enumerate(self._sequence.uploads):
                await self._judged(str(UUID(int=number)), upload)
        finally:
            await asyncio.to_thread(self._server.release)
            # A turn of the loop, in which a client hears that its connections are closed.
            await asyncio.sleep(0.02)
        outcome = await self._judged(SESSION, Upload(300_000, "bytes", ()), timeout=10, deadline=20)
        assert isinstance(outcome, UploadedFile), f"a faultless server, and still {outcome!r}"

    async def _judged(self, session: str, upload: Upload, **options: Any) -> UploadedFile | AnchorUploadsError:
        self._server.expect(session, CONTENTS[upload.size], upload.scripts)
        self.log += [f"{upload.size} bytes from {upload.source}", *(f"    meet {script}" for script in upload.scripts)]
        started = time.monotonic()
        try:
            outcome = await self._upload(session, self._source(upload), filename="a.bin", **options)
        except AnchorUploadsError as error:
            outcome = error
        seconds = time.monotonic() - started
        await asyncio.to_thread(self._server.settle, session)
        requests = self._server.requests[session]
        self.log += [f"    {outcome!r} after {seconds:.2f} s", *(f"    {request}" for request in requests)]
        assert seconds <= options.get("deadline", DEADLINE) + LATE, f"took {seconds:.1f} s"
        assert len(requests) <= self._sequence.max_retries + 1
        check_outcome(outcome, requests)
        check_answer(outcome, requests)
        check_refusals(requests)
        return outcome

    async def _upload(self, *arguments: Any, **options: Any) -> UploadedFile | AnchorUploadsError:
        if isinstance(self._client, AsyncUploadClient):
            return await self._client.upload_file(*arguments, **options)
        return await asyncio.to_thread(self._client.upload_file, *arguments, **options)

    def _source(self, upload: Upload) -> Any:
        content = CONTENTS[upload.size]
        if upload.source == "bytes":
            return content
        if upload.source == "path":
            return self._directory / f"{upload.size}"
        return (content[at : at + 50_000] for at in range(0, upload.size, 50_000))


@asynccontextmanager
async def _prepared(sequence: Sequence, directory: Path) -> AsyncIterator[Play]:
    with ModelServer() as server:
        options: dict[str, Any] = {
            "api_key": KEY,
            "base_url": server.base_url,
            "timeout": TIMEOUTS,
            "deadline": DEADLINE,
            "max_retries": sequence.max_retries,
            "retry_unknown": sequence.retry_unknown,
        }
        if sequence.client == "sync":
            with UploadClient(**options) as client:
                yield Play(sequence, directory, server, client)
            return
        async with AsyncExitStack() as stack:
            if sequence.client == "aiohttp":
                options["http_client"] = await stack.enter_async_context(httpx_aiohttp.HttpxAiohttpClient())
            async_client = await stack.enter_async_context(AsyncUploadClient(**options))
            yield Play(sequence, directory, server, async_client)


def check_outcome(outcome: UploadedFile | AnchorUploadsError, requests: list[Request]) -> None:
    """Success is the server's word after it had the file, and who says that nothing was saved knows that."""
    if isinstance(outcome, UploadedFile):
        believed = [request for request in requests if request.status and 200 <= request.status < 300]
        assert believed, "a success that the server never told"
        assert believed[-1].unread < BUFFERS, "a success that was told before the file was out"
        assert believed[-1].unread or believed[-1].holds, "a success, and what the server has is another file"
    if isinstance(outcome, (ConnectionFailed, SourceError)):
        saved = [request for request in requests if request.holds and (request.status is None or request.status < 300)]
        assert not saved, "said that nothing was saved, and the server has the file"


def check_answer(outcome: UploadedFile | AnchorUploadsError, requests: list[Request]) -> None:
    """An answer belongs to the upload that it is told of."""
    answered = {request.tag: request.status for request in requests}
    if isinstance(outcome, UploadedFile) and outcome.path:
        assert outcome.path.removeprefix("/uploads/") in answered
    if isinstance(outcome, StatusError):
        assert answered.get(outcome.request_id or "") == outcome.status_code


def check_refusals(requests: list[Request]) -> None:
    """What would come again is not asked for again."""
    for request in requests[:-1]:
        refused = request.status in (302, 307, 400, 401, 404, 413)
        assert not (refused and _was_heard(request)), f"{request.status}, and still sent again"


def _was_heard(request: Request) -> bool:
    """Tell whether the client must have heard the answer: before any time-out of its own, and readable at all."""
    assert request.answer
    # A parser that is handed a head together with a broken chunk may have no more than an error to tell.
    return request.answered_after < PROMPT and not request.reset and request.answer.body != "bad chunk"
