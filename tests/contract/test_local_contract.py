"""The local Anchor keeps the contract: Schemathesis looks for requests that it answers in another way.

Left out, and why:

- the check `object_level_authorization`: it compares what two users see, and the local Anchor has one key;
- forms with a backslash in the name of an undocumented field: see `support.schemathesis_hooks`;
- the statuses in `OUT_OF_REACH`: no request brings them about;
- operations that the local Anchor says it has not got. The output names them.
"""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import httpx
import pytest
from starlette.responses import JSONResponse, PlainTextResponse

from anchor_uploads.local import LocalServer, app
from openapi import yaml
from openapi.documented import Contract, Operation
from support import schemathesis_run

ROOT = Path(__file__).resolve().parents[2]
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
}


@pytest.fixture
def specification(tmp_path: Path, root: Path) -> Path:
    """The contract, and the one thing it does not say: where the ids of sessions to upload to come from.

    Schemathesis guesses it for `session_id`, but not for `sessionId`; without a link no upload would ever succeed.
    """
    document = yaml.load((root / "spec" / "client.yaml").read_text("utf-8"), name="client.yaml")
    created = document["paths"]["/v1/sessions"]["post"]["responses"]["200"]
    created["links"] = {
        "upload": {"operationId": "uploadFile", "parameters": {"sessionId": "$response.body#/data/id"}},
    }
    path = tmp_path / "linked.yaml"
    path.write_text(yaml.dump(document), "utf-8")
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


def test_schemathesis_finds_nothing(specification: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    contract = Contract.read(ROOT / "spec" / "client.yaml")
    with LocalServer(browser=False, directory=tmp_path / "sessions") as anchor:
        headers = {contract.named("uploadFile").key_header(): anchor.api_key}
        left_out = not_got(contract, anchor, headers)
        findings = schemathesis_run.run(
            specification, anchor.base_url, headers, tmp_path, checks=CHECKS, examples=80, left_out=left_out
        )

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
    specification: Path, tmp_path: Path
) -> None:
    document = yaml.load(specification.read_text("utf-8"), name=specification.name)
    document["paths"]["/v1/sessions/{sessionId}/downloads"] = {"get": {"operationId": "listDownloads"}}
    document["paths"]["/v1/sessions"]["get"] = {"operationId": "listSessions"}
    contract = Contract(document)
    with LocalServer(browser=False, directory=tmp_path / "sessions") as anchor:
        headers = {contract.named("uploadFile").key_header(): anchor.api_key}
        left_out = not_got(contract, anchor, headers)
        findings = schemathesis_run.run(
            specification,
            anchor.base_url,
            headers,
            tmp_path,
            checks={"not_a_server_error"},
            examples=2,
            left_out={"uploadFile", "getSession", "endSession"},
        )

    assert left_out == {"listDownloads", "listSessions"}
    assert {(method, path) for method, path, _status in findings.answers} == {("POST", "/v1/sessions")}


def test_schemathesis_finds_a_server_that_goes_its_own_way(
    specification: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class _AnyKey:
        def __init__(self, inner: object, *, key: str) -> None:
            self._inner = inner

        async def __call__(self, *connection: object) -> None:
            await self._inner(*connection)  # type: ignore[operator]

    async def accepts_anything(*_arguments: object, **_options: object) -> Path:
        return Path("/uploads/a")

    monkeypatch.setattr(app, "_RequireKey", _AnyKey)
    monkeypatch.setattr(app, "receive_upload", accepts_anything)
    monkeypatch.setattr(app.replies, "uploaded", lambda _text: JSONResponse({"data": {"message": 7}}))
    monkeypatch.setattr(app.replies, "upload_session_not_found", lambda _text: JSONResponse({}, 410))
    monkeypatch.setattr(app.replies, "session_status", lambda _text: PlainTextResponse("running"))

    with LocalServer(browser=False, directory=tmp_path / "sessions") as anchor:
        findings = schemathesis_run.run(specification, anchor.base_url, {}, tmp_path, checks=CHECKS, examples=4)

    assert findings.failures >= {
        "content_type_conformance",
        "ignored_auth",
        "negative_data_rejection",
        "response_schema_conformance",
        "status_code_conformance",
    }
