"""Tries all situations against a service, in one session that is ended whatever happens."""

from __future__ import annotations

import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, cast

import httpx

from anchor_uploads import AnchorUploadsError, AttachError, ContractDrift, Session, UploadClient, UploadedFile
from live_check.attaching import NotTried
from live_check.judging import Finding, Observed, Verdict, judge
from live_check.situations import SITUATIONS
from openapi.documented import Contract

__all__ = ["Attach", "Impossible", "LiveCheck"]

Attach = Callable[[Session, UploadedFile], str]

_REQUEST_IDS = ("x-request-id", "request-id", "x-amzn-requestid", "x-correlation-id", "cf-ray")
_MIB = 1024 * 1024
NAMES = {
    "Unicode name": "naïve 文件 😀.txt",
    "quoted name": "a \"quoted\" 'name'.txt",
}


class Impossible(Exception):
    """Nothing can be checked; the message says why and what to do."""


class LiveCheck:
    """One pass through all situations. Iterating yields a finding each; at its end, the session is ended."""

    def __init__(
        self, contract: Contract, *, api_key: str, base_url: str | None, large_mib: int, attach: Attach
    ) -> None:
        self._contract = contract
        self._large_mib = large_mib
        self._attach = attach
        self._answers: list[Observed] = []
        self._started = 0.0
        # Event hooks instead of a transport, so that proxies from the environment keep working.
        self._http = httpx.Client(event_hooks={"response": [self._record]}, timeout=300)
        self._client = self._client_with(api_key, base_url)
        self._stranger = self._client_with(f"wrong-{uuid.uuid4().hex}", base_url)
        self.base_url = self._client.settings.base_url
        self._uploads: list[UploadedFile] = []

    def __iter__(self) -> Generator[Finding, None, None]:
        running: list[Session] = []
        with ExitStack() as cleanup:
            cleanup.callback(self._http.close)
            # Once more where it was ended: that does no harm, and who is interrupted cannot know.
            cleanup.callback(self._end_quietly, running)
            # Beside the main thread, which a signal interrupts: nobody could end a session whose id never came.
            with ThreadPoolExecutor(1) as beside:
                started = beside.submit(self._start, running).result()
            yield started
            if not running:
                return
            (session,) = running
            yield from self._look(session)
            yield from self._awkward_files(session)
            yield from self._refused_requests(session)
            yield self._attaching(session)
            yield from self._ending(session)

    def _start(self, running: list[Session]) -> Finding:
        def start() -> Session:
            running.append(self._client.create_session())
            return running[-1]

        finding = self._try("start a session", start)
        # Documented refusals say nothing about the contract, only that there is nothing to check it with.
        if finding.status in (401, 402, 403, 429) or finding.status is None:
            raise Impossible(
                f"no session could be started, {finding.observed}: {finding.message or ' '.join(finding.notes)}. "
                "Check the key, the account's plan and the base URL"
            )
        return finding

    def _look(self, session: Session) -> Iterator[Finding]:
        yield self._try("look at the session", lambda: self._client.get_session(session.id))
        yield self._try("list the sessions", self._client.list_sessions)

    def _awkward_files(self, session: Session) -> Iterator[Finding]:
        yield self._upload("empty file", session, b"", "empty.bin")
        yield self._upload("one byte", session, b"\0", "one.bin")
        for situation, name in NAMES.items():
            yield self._upload(situation, session, b"x", name)
        yield self._upload("a name", session, b"first", "twice.txt")
        yield self._upload("the same name again", session, b"second, and longer", "twice.txt")
        with tempfile.TemporaryDirectory(prefix="check-live-") as directory:
            large = Path(directory, "large.bin")
            with large.open("wb") as file:
                file.truncate(self._large_mib * _MIB)
            yield self._upload("large file", session, large, "large.bin")

    def _refused_requests(self, session: Session) -> Iterator[Finding]:
        yield self._try("no file in the form", lambda: self._post_without_file(session))
        yield self._upload("unknown session", Session(str(uuid.uuid4())), b"x", "unknown.txt")
        yield self._upload("wrong key", session, b"x", "key.txt", client=self._stranger)

    def _attaching(self, session: Session) -> Finding:
        name, documented = "attach to a page", "a file that lies at the path that the message tells"
        # The last one that nothing has replaced since, which the page could no longer read.
        uploaded = next((it for it in reversed(self._uploads) if it.path and it.size), None)
        if uploaded is None:
            return Finding(name, documented, "", Verdict.NOT_TRIED, ("no upload told a path",))
        try:
            observed = self._attach(session, uploaded)
        except NotTried as reason:
            return Finding(name, documented, "", Verdict.NOT_TRIED, (str(reason),))
        except AttachError as error:
            return Finding(name, documented, "the page does not get it", Verdict.CONTRADICTS, (str(error),))
        return Finding(name, documented, observed, Verdict.AGREES, path=uploaded.path)

    def _ending(self, session: Session) -> Iterator[Finding]:
        yield self._try("end the session", lambda: self._client.end_session(session.id))
        yield self._upload("upload to the ended session", session, b"x", "late.txt")
        yield self._try("look at the ended session", lambda: self._client.get_session(session.id))

    def _upload(
        self, name: str, session: Session, file: bytes | Path, filename: str, client: UploadClient | None = None
    ) -> Finding:
        def upload() -> UploadedFile:
            uploaded = (client or self._client).upload_file(session.id, file, filename=filename)
            self._uploads.append(uploaded)
            return uploaded

        return self._try(name, upload)

    def _post_without_file(self, session: Session) -> None:
        operation = self._contract.named("uploadFile")
        path = operation.path.replace("{sessionId}", session.id)
        headers = {operation.key_header(): self._client.settings.api_key}
        # The wrapper cannot send this, so it is sent by hand.
        self._http.post(self.base_url + path, headers=headers, files={"note": (None, b"no file")})

    def _try(self, name: str, request: Callable[[], Any]) -> Finding:
        self._answers.clear()
        self._started = time.monotonic()
        result: Any = None
        problem: Exception | None = None
        with warnings.catch_warnings(record=True) as complaints:
            warnings.simplefilter("always", ContractDrift)
            try:
                result = request()
            except (AnchorUploadsError, httpx.RequestError) as error:
                problem = error
        for complaint in complaints:
            problem = problem or cast(Warning, complaint.message)
        observed = self._answers[-1] if self._answers else None
        return judge(self._contract, SITUATIONS[name], observed, result=result, error=problem)

    def _record(self, response: httpx.Response) -> None:
        response.read()
        headers = response.headers
        self._answers.append(
            Observed(
                response.status_code,
                headers.get("content-type", ""),
                response.content,
                next((headers[name] for name in _REQUEST_IDS if name in headers), None),
                time.monotonic() - self._started,
            )
        )

    def _client_with(self, api_key: str, base_url: str | None) -> UploadClient:
        # One attempt: what is repeated cannot be told apart from what happened once.
        return UploadClient(api_key=api_key, base_url=base_url, http_client=self._http, max_retries=0)

    def _end_quietly(self, running: list[Session]) -> None:
        for session in running:
            with suppress(AnchorUploadsError):
                self._client.end_session(session.id)
