"""Bodies of answers go through three readings of the contract, which have to agree.

The readings: jsonschema on the spec as it stands, the strict models, and, for the operations in `READERS`, the wrapper.
The first two judge whatever operations there are, by the contract alone, and agree if both take a body or both refuse
it. Undocumented properties are allowed by JSON Schema and refused by the models (that is how an addition is noticed);
jsonschema is made to see them that way by closing the objects of the contract. The wrapper takes a success if the
contract allows it (a new session also needs an id, and a list its items, which the contract does not require) and
passes over what is not documented; errors it reads as far as they can be read, and always as the same kind of error.

What these readings cannot be made to judge is skipped, and the reason says what it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

import anchor_browser_api_models as models
from anchor_uploads import (
    AnchorUploadsError,
    AuthenticationFailed,
    BadRequest,
    ContractDrift,
    FileTooLarge,
    RateLimited,
    ServerError,
    SessionNotFound,
    StatusError,
    UnexpectedResponse,
    UploadedFile,
)
from anchor_uploads._call import contract, reply, table
from anchor_uploads._call.exchange import Answer, Send
from anchor_uploads._call.settings import Deadline, Settings
from openapi.documented import Body, Contract
from support.json_bodies import ANYTHING, closed, near, refuses_something, valid, with_more
from support.raw_server import RawServer, answer
from support.twins import SESSION, Call, both

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = Contract.read(ROOT / "spec" / "openapi.yaml")
COMPLETED = Contract.read(ROOT / "spec" / "client.yaml")
CLOSED = {PUBLISHED: closed(PUBLISHED), COMPLETED: closed(COMPLETED)}
KINDS = {
    400: BadRequest,
    401: AuthenticationFailed,
    402: StatusError,
    404: SessionNotFound,
    429: RateLimited,
    500: ServerError,
}
many = settings(max_examples=60, deadline=None, derandomize=True)
few = settings(
    max_examples=5, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def reader(read: Callable[[Answer, str], Any]) -> Callable[[int, bytes], Any]:
    """What the wrapper makes of a status and a body by `read`, once a request has left whole."""
    send = Send(Settings("key"), contract.create({}), Deadline(None))

    def result(status: int, body: bytes) -> Any:
        made = table.judged(Answer(status, {}, body), send, "call", read)
        if isinstance(made, AnchorUploadsError):
            raise made
        return made

    return result


FILE = {"session_id": SESSION, "name": "a", "size": 1, "content_type": "text/plain"}
read_upload = reader(lambda answer, what: reply.uploaded_file(answer, what, FILE))
read_session = reader(reply.created_session)
read_status = reader(reply.session_status)
read_list = reader(reply.listed_sessions)

# The operations that the wrapper reads: how it reads an answer, how it is called over a socket, and what of the body it
# shows. Every other operation needs no entry.
READERS: dict[str, tuple[Callable[[int, bytes], Any], tuple[Any, ...], dict[str, Any], Callable[[Any], Any]]] = {
    "uploadFile": (
        read_upload,
        ("upload_file", SESSION, b"x"),
        {"filename": "a"},
        lambda it: {"status": it.status, "message": it.message},
    ),
    "createSession": (
        read_session,
        ("create_session",),
        {},
        lambda it: {"id": it.id, "cdp_url": it.cdp_url, "live_view_url": it.live_view_url},
    ),
    "getSession": (read_status, ("get_session", SESSION), {}, lambda it: {"status": it}),
    "endSession": (read_status, ("end_session", SESSION), {}, lambda it: {}),
    "listSessions": (
        read_list,
        ("list_sessions",),
        {},
        lambda it: {
            "items": [{"session_id": each.id, "status": each.status, "created_at": each.created_at} for each in it]
        },
    ),
    "endAllSessions": (read_status, ("end_all_sessions",), {}, lambda it: {}),
}


@dataclass(frozen=True)
class Case:
    """One documented body of an answer, in all readings."""

    operation: str
    body: Body
    model: type[BaseModel] | None

    def __str__(self) -> str:
        media_type = "" if self.body.media_type == "application/json" else f" {self.body.media_type}"
        return f"{self.operation} {self.body.reply.status}{media_type}"

    @property
    def status(self) -> int:
        return int(self.body.reply.status)

    @property
    def read_by_the_wrapper(self) -> bool:
        return self.operation in READERS and self.body.reply.status.isdigit()

    def allowed(self, body: Any) -> bool:
        return not self.body.problems(body)

    def documented(self, body: Any) -> bool:
        return not CLOSED[self.body.contract].problems(self.body.pointer, body)

    def taken_by_models(self, body: Any) -> bool:
        assert self.model is not None, f"{self}: no model is made of it; give its schema a title in spec/overlay.yaml"
        try:
            # As JSON: of Python's values, strict models want a date to be one already.
            self.model.model_validate_json(encoded(body), strict=True)
        except ValidationError:
            return False
        return True

    def read(self, body: bytes) -> Any:
        return READERS[self.operation][0](self.status, body)

    def needs_more(self, body: Any) -> bool:
        """Whether the wrapper cannot use a valid body: a session without an id is of no use, nor a list of nothing."""
        data = body.get("data") if isinstance(body, dict) else None
        data = data if isinstance(data, dict) else {}
        useful = {
            "createSession": isinstance(data.get("id"), str) and data["id"],
            "listSessions": isinstance(data.get("items"), list),
        }
        return self.status == 200 and not useful.get(self.operation, True)

    @property
    def not_judged(self) -> str | None:
        """Why there are no bodies of this to judge, if there are none."""
        if not self.body.is_json:
            return f"{self}: a schema describes JSON, not {self.body.media_type}"
        if not self.body.schema:
            return f"{self}: no schema is documented"
        try:
            valid(self.body.contract, self.body.pointer)
        except NotImplementedError as reason:
            return f"{self}: {reason}"
        kind = self.body.contract.resolve(self.body.schema).get("type")
        if self.model is None and kind not in ("object", "array"):
            return f"{self}: no model is made of what is neither an object nor an array"
        return None


def documented_cases() -> list[Case]:
    published = {
        (operation.method, operation.path, reply.status, body.media_type): body
        for operation in PUBLISHED.operations()
        for reply in operation.replies
        for body in reply.bodies
    }
    return [
        # Where the published document speaks, it is the judge; the overlay only adds names and what it leaves out.
        Case(
            str(operation.description["operationId"]),
            published.get((operation.method, operation.path, reply.status, body.media_type), body),
            model_of(body),
        )
        for operation in COMPLETED.operations()
        for reply in operation.replies
        for body in reply.bodies
    ]


def model_of(body: Body) -> type[BaseModel] | None:
    name = body.contract.resolve(body.schema).get("title") or body.schema.get("$ref", "").rpartition("/")[2]
    model = getattr(models, name, None)
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None


CASES = documented_cases()
READ = [case for case in CASES if case.read_by_the_wrapper]
every = pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=str(case), marks=[pytest.mark.skip(reason=case.not_judged)] if case.not_judged else [])
        for case in CASES
    ],
)
every_read = pytest.mark.parametrize("case", READ, ids=str)
successes = pytest.mark.parametrize("case", [case for case in READ if case.status == 200], ids=str)
failures = pytest.mark.parametrize("case", [case for case in READ if case.status != 200], ids=str)


def bodies(case: Case) -> st.SearchStrategy[Any]:
    good, mixed = valid(case.body.contract, case.body.pointer), near(case.body.contract, case.body.pointer)
    # Not `|`, which gives each of the many ways to be wrong the chance of all that is valid.
    return st.booleans().flatmap(lambda is_good: good if is_good else mixed)


def attempted(call: Callable[[], Any]) -> Any:
    """What a call returns, or the error of this package that it raises, or the complaint that is one in tests."""
    try:
        return call()
    except (AnchorUploadsError, ContractDrift) as error:
        return error


def encoded(body: Any) -> bytes:
    return json.dumps(body).encode()


def detail(body: Any) -> dict[str, Any]:
    """Code and message of a valid error in either envelope."""
    inner = body.get("error", {})
    inner = inner.get("error", {}) if "error" in inner else inner
    return {"code": inner.get("code"), "message": inner.get("message")}


def kind(case: Case, body: Any) -> type[StatusError]:
    """The error that a body makes: a 404 that says nothing in the contract's words is of somebody else."""
    inner = body.get("error") if isinstance(body, dict) and "message" not in body else None
    inner = inner.get("error") if isinstance(inner, dict) and "error" in inner and "message" not in inner else inner
    of_the_contract = isinstance(inner, dict) and bool({"code", "message"} & inner.keys())
    return KINDS[case.status] if of_the_contract or case.status != 404 else StatusError


def test_whatever_the_wrapper_reads_is_in_the_contract_and_judged() -> None:
    assert {case.operation for case in READ} == set(READERS)
    assert {case.status for case in READ} - {200} == set(KINDS)
    assert sum(case.body.contract is PUBLISHED for case in READ) == 4
    assert [case.not_judged for case in READ if case.not_judged] == []


@every
def test_the_contract_and_the_models_agree(case: Case) -> None:
    seen = {True: 0, False: 0}

    @many
    @given(body=bodies(case))
    @example(body={})
    @example(body=None)
    @example(body=[])
    def agree(body: Any) -> None:
        taken = case.documented(body)
        seen[taken] += 1
        assert case.taken_by_models(body) == taken

    agree()
    expected = seen.values() if refuses_something(case.body.contract, case.body.pointer) else [seen[True]]
    assert min(expected) >= 10, f"too few of one kind to mean anything: {seen}"


@successes
def test_the_wrapper_takes_a_success_if_the_contract_does(case: Case) -> None:
    seen = {True: 0, False: 0}

    @many
    @given(body=bodies(case))
    @example(body={})
    @example(body={"data": {}})
    @example(body={"data": None})
    @example(body=None)
    @example(body=[])
    def agree(body: Any) -> None:
        taken = case.allowed(body)
        seen[taken] += 1
        if taken and not case.needs_more(body):
            shown = READERS[case.operation][3](case.read(encoded(body)))
            data = body.get("data", {})
            assert shown == {name: data.get(name) for name in shown}
        elif isinstance(body, dict) and not case.needs_more(body):
            with pytest.warns(ContractDrift, match="data"):
                case.read(encoded(body))
        else:
            with pytest.raises(UnexpectedResponse):
                case.read(encoded(body))

    agree()
    assert min(seen.values()) >= 10, f"too few of one kind to mean anything: {seen}"


@failures
def test_the_wrapper_reads_an_error_as_the_contract_has_it_and_its_kind_is_certain(case: Case) -> None:
    seen = {True: 0, False: 0}

    @many
    @given(body=bodies(case))
    @example(body={})
    @example(body={"error": {}})
    @example(body={"error": {"error": {}}})
    @example(body={"error": None})
    @example(body={"error": {"code": True, "message": 7}})
    @example(body="error")
    def agree(body: Any) -> None:
        taken = case.documented(body)
        seen[taken] += 1
        with pytest.raises(StatusError) as caught:
            case.read(encoded(body))
        error = caught.value
        assert type(error) is kind(case, body)
        assert error.status_code == case.status
        assert error.body == encoded(body)
        assert isinstance(error.code, (int, str, type(None)))
        assert not isinstance(error.code, bool)
        assert isinstance(error.message, (str, type(None)))
        if taken:
            assert {"code": error.code, "message": error.message} == detail(body)

    agree()
    assert min(seen.values()) >= 10, f"too few of one kind to mean anything: {seen}"


# The names of the other envelope are left out: the wrapper understands either, whatever the operation.
NAMES = st.text(max_size=8).filter(lambda name: name not in ("error", "code", "message")) | st.sampled_from(
    ["data", "additional_properties", "__class__", "self", "id", "status"]
)


@every
def test_what_is_not_documented_is_allowed_by_the_contract_and_noticed_by_the_models(case: Case) -> None:
    @many
    @given(pair=with_more(case.body.contract, case.body.pointer, NAMES))
    def noticed(pair: tuple[Any, Any]) -> None:
        body, more = pair
        assert case.allowed(more)
        assert case.taken_by_models(more) == (more == body)

    noticed()


@every_read
def test_what_is_not_documented_is_passed_over_by_the_wrapper(case: Case) -> None:
    @many
    @given(pair=with_more(case.body.contract, case.body.pointer, NAMES))
    def passed_over(pair: tuple[Any, Any]) -> None:
        body, more = pair
        if case.status == 200 and not case.needs_more(body):
            assert case.read(encoded(more)) == case.read(encoded(body))
        elif case.status != 200:
            with pytest.raises(StatusError) as caught:
                case.read(encoded(more))
            assert type(caught.value) is kind(case, more)
            assert {"code": caught.value.code, "message": caught.value.message} == detail(body)

    passed_over()


@failures
def test_either_envelope_is_understood_with_any_error(case: Case) -> None:
    for body in ({"error": {"code": 7, "message": "why"}}, {"error": {"error": {"code": 7, "message": "why"}}}):
        with pytest.raises(KINDS[case.status]) as caught:
            case.read(encoded(body))
        assert (caught.value.code, caught.value.message) == (7, "why")


def test_a_whole_number_with_a_point_is_where_the_two_judges_part() -> None:
    case = next(case for case in READ if case.operation == "uploadFile" and case.status == 400)
    body = {"error": {"code": 400.0, "message": "why"}}

    assert case.documented(body)
    assert not case.taken_by_models(body)
    with pytest.raises(BadRequest) as caught:
        case.read(b'{"error": {"code": 400.0, "message": "why"}}')
    assert (caught.value.code, caught.value.message) == (None, "why")


# Not JSON, or JSON that some readers choke on.
MALFORMED = {
    "nothing": b"",
    "a web page": b"<html>502</html>",
    "cut short": b'{"data": {"status": "succ',
    "two values": b"{}{}",
    "not UTF-8": b'{"data": {"status": "\xff"}}',
    "UTF-16": '{"data": []}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"data": []}',
    "too deep": b"[" * 60_000,
    "too deep inside": b'{"data": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "a huge number": b'{"error": {"code": ' + b"9" * 9_000 + b"}}",
    "not a number": b'{"data": NaN, "error": {"code": NaN}}',
    "infinite and long": b'{"data": Infinity, "error": {"code": -Infinity, "message": "' + b"x" * 60_000 + b'"}}',
    "half a character": b'{"data": {"status": 1}, "error": {"message": "\\ud800"}}',
    "names twice": b'{"data": {}, "data": 1, "error": {"code": 1}, "error": []}',
    "a null byte": b"\0",
}


@every_read
@pytest.mark.parametrize("malformed", MALFORMED)
def test_no_malformed_body_makes_the_wrapper_raise_an_error_of_others(case: Case, malformed: str) -> None:
    error = attempted(lambda: case.read(MALFORMED[malformed]))
    assert isinstance(error, (UnexpectedResponse, ContractDrift) if case.status == 200 else StatusError)
    assert "\n" not in str(error)


@pytest.mark.parametrize("depth", [100, 900, 990, 1000, 1100, 2500])
def test_depth_alone_is_no_reason_to_fail_in_another_way(depth: int) -> None:
    body = b'{"data": {"status": "success", "more": ' + b"[" * depth + b"]" * depth + b"}}"
    result = attempted(lambda: read_upload(200, body))
    assert isinstance(result, (UploadedFile, UnexpectedResponse))


@pytest.mark.parametrize("operation", READERS)
@settings(max_examples=150, deadline=None, derandomize=True)
@given(status=st.integers(200, 599), body=st.binary(max_size=60) | ANYTHING.map(encoded))
def test_no_answer_at_all_makes_the_wrapper_raise_an_error_of_others(operation: str, status: int, body: bytes) -> None:
    result = attempted(lambda: READERS[operation][0](status, body))
    if status >= 400:
        assert isinstance(result, StatusError)
    else:
        assert status == 200 or isinstance(result, (UnexpectedResponse, ContractDrift))


@pytest.mark.parametrize("message", ["File too large", "the file is too big", "over the size limit"])
def test_a_400_tells_by_its_message_alone_that_the_file_is_too_large(message: str) -> None:
    with pytest.raises(FileTooLarge):
        read_upload(400, encoded({"error": {"code": 400, "message": message}}))


@both
@every_read
def test_over_a_socket_the_wrapper_reads_the_same(call: Call, case: Case, raw_server: RawServer) -> None:
    _read, arguments, options, show = READERS[case.operation]

    @few
    @given(content=bodies(case).map(encoded) | st.sampled_from(sorted(MALFORMED.values())))
    def the_same(content: bytes) -> None:
        raw_server.script = [answer(case.status, content, {"Content-Type": "application/json"})]
        expected = attempted(lambda: case.read(content))
        received = attempted(lambda: call(raw_server.base_url, *arguments, client={"max_retries": 0}, **options))

        assert type(received) is type(expected)
        if isinstance(expected, Exception):
            assert [getattr(received, name, None) for name in ("status_code", "code", "message", "body")] == [
                getattr(expected, name, None) for name in ("status_code", "code", "message", "body")
            ]
        else:
            assert show(received) == show(expected)

    the_same()
