"""The local Anchor keeps the contract: Schemathesis looks for requests that it answers in another way.

Left out, and why:

- the check `object_level_authorization`: it compares what two users see, and the local Anchor has one key;
- forms with a backslash in the name of an undocumented field: see `support.schemathesis_hooks`;
- the list of all sessions that ever were: see there, too;
- the statuses in `OUT_OF_REACH`: no request brings them about;
- operations that the local Anchor says it has not got. The output names them.
"""

from __future__ import annotations

import copy
import re
import uuid
from collections.abc import Collection
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse, PlainTextResponse

from anchor_uploads.local import LocalServer, ReceivedUpload
from anchor_uploads.local.http import app
from openapi import yaml
from openapi.documented import Contract, Operation
from support import schemathesis_run

pytestmark = pytest.mark.timeout(300)
CHECKS = {
    "allow_header_conformance",
    "content_type_conformance",
    "ensure_resource_availability",
    "ignored_auth",
    "missing_required_header",
    "negative_data_rejection",
    "not_a_server_error",
    "positive_data_acceptance",
    "response_headers_conformance",
    "response_schema_conformance",
    "status_code_conformance",
    "unsupported_method",
    "use_after_free",
}
OUT_OF_REACH = {
    ("uploadFile", "500"): "the disk would have to fail; tests/local makes it",
    ("createSession", "402"): "the local Anchor has no plans to pay for",
    ("createSession", "429"): "it would take more sessions than max_sessions; tests/local makes it",
    ("createSession", "500"): "the browser would have to fail; tests/local makes it",
    ("getSession", "500"): "nothing in it can fail",
    ("endSession", "500"): "the browser would have to outlive its end; tests/local makes it",
    ("listSessions", "500"): "nothing in it can fail",
    ("endAllSessions", "500"): "a browser would have to outlive its end; tests/local makes it",
}


@pytest.fixture
def document(root: Path) -> Any:
    """The contract, and the one thing it does not say: where the ids of sessions to upload to come from.

    Schemathesis guesses it for `session_id`, but not for `sessionId`; without a link no upload would ever succeed.
    """
    document = yaml.load((root / "spec" / "client.yaml").read_text("utf-8"), name="client.yaml")
    created = document["paths"]["/v1/sessions"]["post"]["responses"]["200"]
    created["links"] = {
        "upload": {"operationId": "uploadFile", "parameters": {"sessionId": "$response.body#/data/id"}},
    }
    return document


def written(document: Any, path: Path, *, left_out: Collection[str] = ()) -> Path:
    """Write a contract without these operations; of what is not in it, Schemathesis expects a 405 or a 404."""
    kept = copy.deepcopy(document)
    for operation in Contract(document).operations():
        if name(operation) in left_out:
            del kept["paths"][operation.path][operation.method.lower()]
    kept["paths"] = {path: item for path, item in kept["paths"].items() if item}
    path.write_text(yaml.dump(kept), "utf-8")
    return path


def not_got(contract: Contract, anchor: LocalServer, headers: dict[str, str]) -> set[str]:
    """The operations that the local Anchor says it has not got: the path, or the method of one that it has."""
    found = set()
    with httpx.Client(base_url=anchor.base_url, headers=headers, trust_env=False) as client:
        for operation in contract.operations():
            path = re.sub(r"\{[^{}]*\}", str(uuid.uuid4()), operation.path)
            # Nothing that takes a body can do anything with this one.
            if client.request(operation.method, path, content=b"[").status_code in (405, 501):
                found.add(name(operation))
    return found


def name(operation: Operation) -> str:
    return str(operation.description["operationId"])


def test_schemathesis_finds_nothing(document: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    contract = Contract(document)
    with LocalServer(browser=False, directory=tmp_path / "sessions") as anchor:
        headers = {contract.named("uploadFile").key_header(): anchor.api_key}
        left_out = not_got(contract, anchor, headers)
        specification = written(document, tmp_path / "spec.yaml", left_out=left_out)
        findings = schemathesis_run.run(specification, anchor.base_url, headers, tmp_path, checks=CHECKS, examples=80)

    assert findings.failures == set(), findings.text
    assert findings.complete, findings.text
    assert findings.checks.keys() >= CHECKS
    tried = [operation for operation in contract.operations() if name(operation) not in left_out]
    documented = {(name(operation), reply.status) for operation in tried for reply in operation.replies}
    given = {
        (name(operation), reply.status)
        for operation in tried
        for method, path, status in findings.answers
        if (method, path) == (operation.method, operation.path) and (reply := operation.reply(status)) is not None
    }
    assert documented - given == OUT_OF_REACH.keys(), "an answer never came that was expected, or one that was not came"
    with capsys.disabled():
        print(f"\nSchemathesis: {findings.cases} cases, 0 failures; answers of {len(given)} kinds")
        if left_out:
            print(f"Left out, since the local Anchor has not got them: {', '.join(sorted(left_out))}")


def test_an_operation_that_the_local_anchor_has_not_got_is_known_by_its_answer_and_left_out(
    document: Any, tmp_path: Path
) -> None:
    start = document["paths"]["/v1/sessions"]["post"]
    del start["responses"]["200"]["links"]
    no_path = {"operationId": "listDownloads", "responses": {"200": {"description": "All of them"}}}
    no_method = {"operationId": "listSessions", "responses": {"200": {"description": "All of them"}}}
    document["paths"] = {"/v1/sessions": {"post": start, "get": no_method}, "/v1/downloads": {"get": no_path}}
    contract = Contract(document)
    with LocalServer(browser=False, directory=tmp_path / "sessions") as anchor:
        headers = {contract.named("createSession").key_header(): anchor.api_key}
        left_out = not_got(contract, anchor, headers)
        specification = written(document, tmp_path / "spec.yaml", left_out=left_out)
        findings = schemathesis_run.run(specification, anchor.base_url, headers, tmp_path, checks=CHECKS, examples=2)

    assert left_out == {"listDownloads", "listSessions"}
    assert {path for _method, path, _status in findings.answers} == {"/v1/sessions"}
    assert findings.failures == set(), findings.text


def test_schemathesis_finds_a_server_that_goes_its_own_way(
    document: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class _AnyKey:
        def __init__(self, inner: object, *, key: str) -> None:
            self._inner = inner

        async def __call__(self, *connection: object) -> None:
            await self._inner(*connection)  # type: ignore[operator]

    async def accepts_anything(*_arguments: object, **_options: object) -> ReceivedUpload:
        return ReceivedUpload("a", 0, None, "", Path("/uploads/a"))

    monkeypatch.setattr(app, "_RequireKey", _AnyKey)
    monkeypatch.setattr(app, "receive_upload", accepts_anything)
    monkeypatch.setattr(app.replies, "uploaded", lambda _text: JSONResponse({"data": {"message": 7}}))
    monkeypatch.setattr(app.replies, "upload_session_not_found", lambda _text: JSONResponse({}, 410))
    monkeypatch.setattr(app.replies, "session_status", lambda _text: PlainTextResponse("running"))

    specification = written(document, tmp_path / "spec.yaml")
    with LocalServer(browser=False, directory=tmp_path / "sessions") as anchor:
        findings = schemathesis_run.run(specification, anchor.base_url, {}, tmp_path, checks=CHECKS, examples=4)

    assert findings.failures >= {
        "content_type_conformance",
        "ignored_auth",
        "negative_data_rejection",
        "response_schema_conformance",
        "status_code_conformance",
    }
