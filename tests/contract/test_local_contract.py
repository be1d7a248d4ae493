"""The local Anchor keeps the contract: Schemathesis looks for requests that it answers in another way.

Left out, and why:

- the check `object_level_authorization`: it compares what two users see, and the local Anchor has one key;
- forms with a backslash in the name of an undocumented field: see `support.schemathesis_hooks`;
- the statuses in `OUT_OF_REACH`: no request brings them about.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML
from starlette.responses import JSONResponse, PlainTextResponse

from anchor_uploads.local import LocalServer, app
from openapi.documented import Contract
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
    ("uploadFile", 500): "the disk would have to fail; tests/local makes it",
    ("createSession", 402): "the local Anchor has no plans to pay for",
    ("createSession", 429): "it would take more sessions than max_sessions; tests/local makes it",
    ("createSession", 500): "the browser would have to fail; tests/local makes it",
    ("getSession", 500): "nothing in it can fail",
    ("endSession", 500): "the browser would have to outlive its end; tests/local makes it",
}


@pytest.fixture
def specification(tmp_path: Path, root: Path) -> Path:
    """The contract, and the one thing it does not say: where the ids of sessions to upload to come from.

    Schemathesis guesses it for `session_id`, but not for `sessionId`; without a link no upload would ever succeed.
    """
    yaml = YAML(typ="safe", pure=True)
    with (root / "spec" / "client.yaml").open(encoding="utf-8") as file:
        document = yaml.load(file)
    created = document["paths"]["/v1/sessions"]["post"]["responses"]["200"]
    created["links"] = {
        "upload": {"operationId": "uploadFile", "parameters": {"sessionId": "$response.body#/data/id"}},
    }
    path = tmp_path / "linked.yaml"
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(document, file)
    return path


def test_schemathesis_finds_nothing(specification: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    contract = Contract.read(ROOT / "spec" / "client.yaml")
    with LocalServer(browser=False, directory=tmp_path / "sessions") as anchor:
        header = contract.named("uploadFile").key_header()
        findings = schemathesis_run.run(
            specification, anchor.base_url, {header: anchor.api_key}, tmp_path, checks=CHECKS, examples=80
        )

    assert findings.failures == set(), findings.text
    assert findings.complete, findings.text
    assert findings.checks.keys() >= CHECKS
    documented = {
        (str(operation.description["operationId"]), status): (operation.method, operation.path, status)
        for operation in contract.operations()
        for status in operation.statuses
    }
    never = {name for name, answer in documented.items() if not findings.answers[answer]}
    assert never == OUT_OF_REACH.keys(), "an answer that was expected never came, or one came that was not"
    with capsys.disabled():
        print(f"\nSchemathesis: {findings.cases} cases, 0 failures; answers of {len(documented) - len(never)} kinds")


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
