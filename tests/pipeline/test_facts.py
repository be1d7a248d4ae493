"""What the wrapper knows about the API is compared with a contract, fact by fact, and the message says what to do."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from openapi.layout import laid_out
from spec_pipeline import command, regenerate
from spec_pipeline.derive.build import plain_openapi
from spec_pipeline.proof.facts import WrapperFacts, findings
from spec_pipeline.proof.wrapper import observed
from spec_pipeline.published.source import Source
from support.copies import copied, run_tests

GENERATORS = command.ROOT / ".venv-generate"
POST = "/paths/~1v1~1sessions~1{sessionId}~1uploads/post"


@pytest.fixture(scope="module")
def wrapper() -> WrapperFacts:
    return observed()


@pytest.fixture
def contract(root: Path) -> Any:
    return plain_openapi(Source.read(root / "spec"), root / "spec")


def test_the_wrapper_is_seen_as_it_is(wrapper: WrapperFacts) -> None:
    """An observation that sees nothing would agree with anything."""
    assert dataclasses.replace(wrapper, errors={}) == WrapperFacts(
        base_url="https://api.anchorbrowser.io",
        key_header="anchor-api-key",
        method="POST",
        path="/v1/sessions/{}/uploads",
        path_format="uuid",
        media_type="multipart/form-data",
        field="file",
        accepts="application/json",
        success=frozenset({200}),
        reply_envelope=("data",),
        reply_fields=frozenset({"status", "message"}),
        reply_types=frozenset({"string"}),
        errors={},
        envelopes=frozenset({(), ("error",), ("error", "error")}),
        error_fields={"code": frozenset({"integer", "string"}), "message": frozenset({"string"})},
        deprecated=False,
    )
    by_hand = {status: name for status, name in wrapper.errors.items() if name not in ("StatusError", "ServerError")}
    assert by_hand == {
        400: "BadRequest",
        401: "AuthenticationFailed",
        403: "AuthenticationFailed",
        404: "SessionNotFound",
        413: "FileTooLarge",
        429: "RateLimited",
    }
    assert {name for status, name in wrapper.errors.items() if status >= 500} == {"ServerError"}


@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("base_url", "https://api.example"),
        ("key_header", "x-api-key"),
        ("method", "PUT"),
        ("path", "/v2/sessions/{}/uploads"),
        ("path_format", "none"),
        ("media_type", "application/octet-stream"),
        ("field", "upload"),
        ("accepts", "text/plain"),
        ("success", frozenset({200, 201})),
        ("reply_envelope", ("result",)),
        ("reply_fields", frozenset({"status", "text"})),
        ("reply_types", frozenset({"integer"})),
        ("errors", {404: "SessionNotFound", 400: "StatusError"}),
        ("errors", {404: "SessionNotFound", 400: "BadRequest", 418: "BadRequest"}),
        ("envelopes", frozenset({("error",)})),
        ("error_fields", {"code": frozenset({"string"})}),
        ("error_fields", {"reason": frozenset({"string"})}),
        ("deprecated", True),
    ],
)
def test_each_fact_is_compared(fact: str, value: Any, contract: Any, wrapper: WrapperFacts) -> None:
    assert findings(contract, dataclasses.replace(wrapper, **{fact: value}))


def test_every_fact_is_among_those(wrapper: WrapperFacts) -> None:
    (marker,) = (mark for mark in test_each_fact_is_compared.pytestmark if mark.name == "parametrize")  # type: ignore[attr-defined]
    assert {fact for fact, _ in marker.args[1]} == {field.name for field in dataclasses.fields(wrapper)}


SECURITY_ADVICE = (
    "See API_KEY_HEADER in wrapper/anchor_uploads/_call/contract.py, and where "
    "wrapper/anchor_uploads/_net/connections.py sends it; "
    "the wrapper knows one key in a header"
)


def test_a_finding_says_where_what_and_what_to_do(contract: Any, wrapper: WrapperFacts) -> None:
    contract["components"]["securitySchemes"]["api_key_header"]["name"] = "x-key"

    (finding,) = findings(contract, wrapper)
    assert str(finding).splitlines() == [
        "[key, name] spec/openapi.yaml /components/securitySchemes/api_key_header/name",
        "    the wrapper has 'anchor-api-key', the contract 'x-key'",
        f"    {SECURITY_ADVICE}",
    ]


def test_a_field_of_another_type_in_the_reply_is_found_although_nobody_reads_it(
    contract: Any, wrapper: WrapperFacts
) -> None:
    """The wrapper refuses a reply with anything but text in it, so this would fail every upload."""
    place = f"{POST}/responses/200/content/application~1json/schema/properties/data/properties/size/type"
    responses = contract["paths"]["/v1/sessions/{sessionId}/uploads"]["post"]["responses"]
    data = responses["200"]["content"]["application/json"]["schema"]["properties"]["data"]
    data["properties"]["size"] = {"type": "integer"}

    assert place in [finding.pointer for finding in findings(contract, wrapper)]


def test_a_document_may_say_it_in_other_places(contract: Any, wrapper: WrapperFacts) -> None:
    item = contract["paths"]["/v1/sessions/{sessionId}/uploads"]
    post = item["post"]
    contract["security"] = post.pop("security")
    contract["components"]["parameters"] = {"session": post["parameters"][0]}
    item["parameters"] = [{"$ref": "#/components/parameters/session"}]
    del post["parameters"]
    item["servers"] = contract.pop("servers")
    contract["components"]["responses"] = {"missing": copy.deepcopy(post["responses"]["404"])}
    post["responses"]["404"] = {"$ref": "#/components/responses/missing"}

    assert findings(laid_out(contract), wrapper) == []


REPLY_MESSAGE = """\
                      message:
                        type: string
        examples:
          example:
            value:
              data:
"""
RENAMES = {
    "the field": (
        [
            ("              file:\n                allOf:", "              document:\n                allOf:"),
            ("              - file\n", "              - document\n"),
        ],
        ["wrapper/anchor_uploads/_call/contract.py line", "'file'", "git diff spec/openapi.yaml", "CHANGELOG.md"],
    ),
    "the reply's message and the header": (
        [
            (REPLY_MESSAGE, REPLY_MESSAGE.replace("message", "text", 1)),
            ("            anchor-api-key:\n", "            x-api-key:\n"),
        ],
        [
            *("[reply, text]", "Callers never see it", "uploaded_file in wrapper/anchor_uploads/_call/reply.py"),
            *("[key, name]", "'anchor-api-key'", "'x-api-key'", "API_KEY_HEADER"),
        ],
    ),
}


@pytest.mark.skipif(not GENERATORS.exists(), reason="the generators are not installed; scripts/regenerate says more")
@pytest.mark.parametrize("what", RENAMES)
def test_after_a_rename_and_a_regeneration_the_drift_test_says_what_to_do(
    what: str, root: Path, tmp_path: Path
) -> None:
    edits, said = RENAMES[what]
    copied(tmp_path, spec=root / "spec")
    block = tmp_path / "spec" / "openapi-mintlify.yaml"
    text = block.read_bytes().decode()
    for old, new in edits:
        assert text.count(old) == 1
        text = text.replace(old, new)
    block.write_bytes(text.encode())
    assert regenerate.main(["--root", str(tmp_path), "--generators", str(GENERATORS)]) == 0

    run = run_tests(tmp_path, "tests/contract/test_facts.py::test_the_wrapper_knows_what_the_contract_says")
    assert run.returncode == 1, run.stdout + run.stderr
    for words in said:
        assert words in run.stdout
