"""The conversation about a file input, with a browser that is played by a list of replies."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import attrs
import pytest

import anchor_uploads
from anchor_uploads import AttachError, UploadedFile
from anchor_uploads._attach import expected
from anchor_uploads._attach.drop_zone import within
from anchor_uploads.cdp import (
    DIGEST_LIMIT,
    AttachedFileReplaced,
    RemoteFile,
    drop_files,
    drop_files_async,
    set_input_files,
    set_input_files_async,
)

FILE = RemoteFile("/uploads/a.txt", 5)
NODE = {"objectId": "page-object"}


def function_of(params: dict[str, Any]) -> str:
    """The name of the JavaScript function that a command calls, if it calls one."""
    found = re.match(r"(?:async )?function (\w+)\(", params.get("functionDeclaration", ""))
    return found[1] if found else ""


class Browser:
    """Answers as Chromium does. `seen`, `facts`, `judged` change what is in it, `fails` raises at a command.

    Commands are known by their method, and those that call a function by the function's name.
    """

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.seen = [{"name": "a.txt", "size": 5, "type": "text/plain", "modified": 1, "sha256": None, "problem": None}]
        self.facts = {"markup": '<input id="cv">', "file": True, "disabled": False, "connected": True}
        self.facts |= {"multiple": False, "directory": False, "accept": ""}
        self.judged: dict[str, Any] = {"right": True, "found": []}
        self.fails: dict[str, BaseException] = {}

    def send(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self.sent.append((method, params))
        function = function_of(params)
        handed = method == "DOM.setFileInputFiles" and params["objectId"] == "our-object"
        if problem := self.fails.get("the hand-over" if handed else function or method):
            raise problem
        if function == "control":
            return {"result": {"type": "object", "subtype": "null", "value": None}}
        values = {"inspect": self.facts, "read": self.seen, "verdict": self.judged}
        if function in values:
            return {"result": {"type": "object", "value": values[function]}}
        return {
            "Page.getFrameTree": {"frameTree": {"frame": {"id": "top"}}},
            "Page.createIsolatedWorld": {"executionContextId": 7},
            "DOM.describeNode": {"node": {"backendNodeId": 42}},
            "DOM.resolveNode": {"object": {"objectId": "our-object"}},
            "Runtime.callFunctionOn": {"result": {"objectId": function}},
        }.get(method, {})

    async def send_async(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0)
        return self.send(method, params)

    def methods(self) -> list[str]:
        return [method for method, _params in self.sent]

    def functions(self) -> list[str]:
        return [function for _method, params in self.sent if (function := function_of(params))]

    def inputs(self) -> list[Any]:
        return [params["objectId"] for method, params in self.sent if method == "DOM.setFileInputFiles"]


@pytest.fixture
def browser() -> Browser:
    return Browser()


def call_sync(browser: Browser, node: dict[str, Any], *files: Any, **options: Any) -> Any:
    return set_input_files(browser.send, node, *files, **options)


def call_async(browser: Browser, node: dict[str, Any], *files: Any, **options: Any) -> Any:
    return asyncio.run(set_input_files_async(browser.send_async, node, *files, **options))


def drop_sync(browser: Browser, node: dict[str, Any], *files: Any) -> Any:
    return drop_files(browser.send, node, *files)


def drop_async(browser: Browser, node: dict[str, Any], *files: Any) -> Any:
    return asyncio.run(drop_files_async(browser.send_async, node, *files))


both = pytest.mark.parametrize("put", [call_sync, call_async], ids=["sync", "async"])
Put = Callable[..., Any]


@both
def test_the_files_are_tried_elsewhere_before_the_page_gets_them(browser: Browser, put: Put) -> None:
    (attached,) = put(browser, NODE, FILE)
    assert (attached.name, attached.size, attached.problem) == ("a.txt", 5, None)
    assert browser.inputs() == ["probe", "our-object"]
    assert browser.methods()[-1] == "Runtime.releaseObjectGroup"
    assert browser.functions() == ["control", "inspect", "probe", "read", "guard", "verdict"]


def test_the_twins_say_the_same() -> None:
    one, other = Browser(), Browser()
    call_sync(one, NODE, FILE)
    call_async(other, NODE, FILE)
    assert one.methods() == other.methods()


@both
def test_what_the_browser_makes_of_a_missing_file_does_not_reach_the_page(browser: Browser, put: Put) -> None:
    browser.seen[0] |= {"size": 0, "problem": "NotFoundError"}
    with pytest.raises(AttachError, match=r"/uploads/a.txt.*NotFoundError") as caught:
        put(browser, NODE, FILE)
    assert browser.inputs() == ["probe"]
    assert browser.methods()[-1] == "Runtime.releaseObjectGroup"
    assert caught.value.expected == (FILE,)
    assert [file.size for file in caught.value.found] == [0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"size": 4}, "5 bytes, but the browser found 'a.txt' of 4 bytes"),
        ({"name": "b.txt"}, "should be 'a.txt' of 5 bytes, but the browser found 'b.txt'"),
        ({"sha256": "ff"}, "SHA-256 AA, but its content has ff"),
    ],
)
def test_any_difference_is_an_error(browser: Browser, change: dict[str, Any], says: str) -> None:
    browser.seen[0] |= change
    with pytest.raises(AttachError, match=says):
        call_sync(browser, NODE, attrs.evolve(FILE, sha256="AA"))
    assert browser.inputs() == ["probe"]


def test_a_file_too_few_or_too_many_is_an_error(browser: Browser) -> None:
    browser.seen *= 2
    with pytest.raises(AttachError, match="1 expected, 2 found"):
        call_sync(browser, NODE, FILE)
    browser.seen.clear()
    with pytest.raises(AttachError, match="1 expected, 0 found"):
        call_sync(browser, NODE, FILE)


def test_a_hash_is_asked_for_only_where_there_is_one_to_compare(browser: Browser) -> None:
    browser.facts["multiple"] = True
    browser.seen *= 2
    browser.seen[1] = browser.seen[1] | {"sha256": "aa"}
    call_sync(browser, NODE, FILE, attrs.evolve(FILE, sha256="AA"))
    (arguments,) = [p["arguments"] for _m, p in browser.sent if function_of(p) == "read"]
    assert arguments == [{"value": [False, True]}, {"value": DIGEST_LIMIT}]


def test_a_name_may_be_spelled_in_another_normal_form(browser: Browser) -> None:
    browser.seen[0]["name"] = "u\u0308.txt"
    call_sync(browser, NODE, attrs.evolve(FILE, name="\u00fc.txt"))


@both
def test_files_may_come_in_lists(browser: Browser, put: Put) -> None:
    browser.facts["multiple"] = True
    browser.seen *= 3
    assert len(put(browser, NODE, [FILE, FILE], FILE)) == 3


@both
def test_files_that_change_in_between_are_an_error(browser: Browser, put: Put) -> None:
    browser.judged = {"right": False, "found": [{"name": "a.txt", "size": 4}]}
    with pytest.raises(AttachError, match=r"found 'a.txt' of 4 bytes. The input is empty now"):
        put(browser, NODE, FILE)
    browser.judged = {"right": False, "found": [{"name": "a.txt", "size": 5}]}
    with pytest.raises(AttachError, match="changed on the browser's machine"):
        put(browser, NODE, FILE)


@pytest.mark.parametrize(
    "text",
    [
        "Protocol error (Runtime.callFunctionOn): Cannot find context with specified id",
        "Inspected target navigated or closed",
        "Execution context was destroyed.",
    ],
)
def test_a_page_that_went_on_with_the_files_is_no_error(browser: Browser, text: str) -> None:
    browser.fails = {"verdict": RuntimeError(text), "Runtime.releaseObjectGroup": RuntimeError(text)}
    assert call_sync(browser, NODE, FILE)[0].size == 5


@both
def test_a_line_that_dies_once_the_files_are_there_is_no_error(browser: Browser, put: Put) -> None:
    browser.fails = {"verdict": ConnectionError("dead"), "Runtime.releaseObjectGroup": ConnectionError("and dead")}
    assert put(browser, NODE, FILE)[0].size == 5


@both
def test_a_line_that_dies_over_the_files_leaves_open_whether_the_page_has_them(browser: Browser, put: Put) -> None:
    dead = ConnectionError("dead")
    browser.fails = {"the hand-over": dead, "verdict": dead, "Runtime.releaseObjectGroup": dead}
    with pytest.raises(AttachError, match="may have them; look before you attach again") as caught:
        put(browser, NODE, FILE)
    assert caught.value.__cause__ is dead


@both
@pytest.mark.parametrize(
    ("text", "attached"),
    [
        ("Inspected target navigated or closed", True),
        ("Session with given id not found.", True),
        ("Could not find object with given id", False),
    ],
)
def test_a_page_that_goes_while_it_gets_the_files_has_had_them(
    browser: Browser, put: Put, text: str, attached: bool
) -> None:
    problem = RuntimeError(text)
    browser.fails = {"the hand-over": problem, "verdict": problem, "Runtime.releaseObjectGroup": problem}
    if attached:
        assert put(browser, NODE, FILE)[0].size == 5
    else:
        with pytest.raises(RuntimeError) as caught:
            put(browser, NODE, FILE)
        assert caught.value is problem


@both
@pytest.mark.parametrize("problem", [RuntimeError("Internal error"), TimeoutError("no answer")])
@pytest.mark.parametrize("right", [True, False])
def test_where_the_hand_over_fails_the_guard_knows_whether_the_page_has_the_files(
    browser: Browser, put: Put, right: bool, problem: Exception
) -> None:
    browser.fails = {"the hand-over": problem}
    browser.judged = {"right": right, "found": []}
    if right:
        assert put(browser, NODE, FILE)[0].size == 5
    elif isinstance(problem, TimeoutError):
        # It may come yet.
        with pytest.raises(AttachError, match="may have them; look before you attach again"):
            put(browser, NODE, FILE)
    else:
        with pytest.raises(RuntimeError, match="Internal error"):
            put(browser, NODE, FILE)


@both
@pytest.mark.parametrize("command", ["DOM.describeNode", "DOM.setFileInputFiles", "guard"])
def test_what_the_sender_raises_is_raised(browser: Browser, put: Put, command: str) -> None:
    problem = ConnectionError("the line is dead")
    browser.fails = {command: problem, "Runtime.releaseObjectGroup": ConnectionError("and dead again")}
    with pytest.raises(ConnectionError) as caught:
        put(browser, NODE, FILE)
    assert caught.value is problem


def test_who_gives_up_waits_for_nothing_more(browser: Browser) -> None:
    browser.fails = {"guard": KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        call_sync(browser, NODE, FILE)
    assert browser.functions()[-1] == "guard"
    assert browser.methods()[-1] == "Runtime.callFunctionOn"


@pytest.mark.parametrize(
    ("details", "told"),
    [
        (
            {"text": "Uncaught", "exception": {"description": "TypeError: no such thing\n    at line 1"}},
            "TypeError: no such thing",
        ),
        ({"text": "Uncaught"}, "Uncaught"),
        ({}, "no reason given"),
    ],
)
def test_a_failure_in_the_page_s_browser_is_told(browser: Browser, details: dict[str, Any], told: str) -> None:
    original = browser.send

    def send(method: str, params: dict[str, Any]) -> dict[str, Any]:
        if function_of(params) == "inspect":
            return {"result": {}, "exceptionDetails": details}
        return original(method, params)

    with pytest.raises(AttachError, match=f"{told}$"):
        set_input_files(send, NODE, FILE)


@pytest.mark.parametrize("node", [{}, {"nodeId": 5}, {"type": "object", "subtype": "null", "value": None}])
def test_a_node_needs_a_handle_that_cannot_be_stale(browser: Browser, node: dict[str, Any]) -> None:
    with pytest.raises(AttachError, match="backendNodeId"):
        call_sync(browser, node, FILE)
    assert "DOM.setFileInputFiles" not in browser.methods()


def test_a_backend_node_id_will_do(browser: Browser) -> None:
    call_sync(browser, {"backendNodeId": 42}, FILE)
    assert ("DOM.describeNode", {"backendNodeId": 42}) in browser.sent


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"file": False}, "is not an <input type=file>"),
        ({"disabled": True}, "is disabled"),
        ({"connected": False}, "no longer in the page"),
        ({"directory": True}, "takes a directory"),
        ({"accept": "image/*"}, "accepts 'image/"),
    ],
)
@both
def test_an_input_that_cannot_take_the_file_is_left_alone(
    browser: Browser, put: Put, facts: dict[str, Any], says: str
) -> None:
    browser.facts |= facts
    with pytest.raises(AttachError, match=says):
        put(browser, NODE, FILE)
    assert "our-object" not in browser.inputs()


@pytest.mark.parametrize(
    ("right", "down", "expected"),
    [(0, 0, (1, 2)), (1, 0, (11, 3)), (1, 1, (14, 13)), (0, 1, (2, 9)), (0.5, 0, (6, 2.5)), (0.5, 0.5, (7, 6.75))],
)
def test_a_place_in_a_quad_is_told_by_parts_of_its_sides(
    right: float, down: float, expected: tuple[float, float]
) -> None:
    assert within((1, 2, 11, 3, 14, 13, 2, 9), right, down) == expected


@pytest.mark.parametrize(
    ("facts", "says"), [({"connected": False}, "no longer in the page"), ({}, "is no drop zone but an input")]
)
@pytest.mark.parametrize("put", [drop_sync, drop_async], ids=["sync", "async"])
def test_what_cannot_be_dropped_on_is_left_alone(browser: Browser, put: Put, facts: dict[str, Any], says: str) -> None:
    browser.facts |= facts
    with pytest.raises(AttachError, match=says):
        put(browser, NODE, FILE)
    assert "watch" not in browser.functions()


@both
def test_nothing_to_attach_is_refused_before_anything_is_sent(browser: Browser, put: Put) -> None:
    with pytest.raises(AttachError, match="no file was given"):
        put(browser, NODE)
    assert browser.sent == []


def test_what_can_be_allowed(browser: Browser) -> None:
    browser.facts |= {"connected": False, "accept": "image/*"}
    call_sync(browser, NODE, FILE, ignore_accept=True, detached_ok=True)
    assert browser.inputs() == ["probe", "our-object"]


@pytest.mark.parametrize(
    ("accept", "seen", "declared", "allowed"),
    [
        ("", "", None, True),
        (".txt", "", None, True),
        (".TXT", "", None, True),
        (".tx", "", None, False),
        (".pdf, .txt", "", None, True),
        ("text/plain", "text/plain", None, True),
        ("TEXT/Plain", "text/plain", None, True),
        ("text/*", "text/plain", None, True),
        ("text/*", "", "text/x-anything; charset=utf-8", True),
        ("te/*", "text/plain", None, False),
        ("image/*,.png", "text/plain", "application/octet-stream", False),
        ("text/html", "text/plain", None, False),
        ("txt", "image/png", None, True),
        ("*", "image/png", None, True),
        ("*/*", "", None, True),
        (",", "", None, True),
        (".", "text/plain", None, True),
        (". , .pdf", "text/plain", None, False),
        (".t", "text/plain", None, False),
        ("image/*;capture=camera", "text/plain", None, True),
        ("text/html; charset=utf-8", "text/plain", None, True),
        ("image/png;q=1, text/html", "image/png", None, False),
        ("image/", "text/plain", None, True),
        ("/png", "text/plain", None, True),
        ("image/png/x", "text/plain", None, True),
        ("image png/x", "text/plain", None, True),
        ("\u00efmage/png", "text/plain", None, True),
        ("application/vnd.a+b-c_d", "text/plain", None, False),
        ("audio/mpeg", "", "audio/mp3", True),
        ("image/jpg", "image/png", None, False),
        ("text/plain", "", "TEXT/Plain", True),
    ],
)
def test_accept(browser: Browser, accept: str, seen: str, declared: str | None, allowed: bool) -> None:
    browser.facts["accept"] = accept
    browser.seen[0]["type"] = seen
    file = attrs.evolve(FILE, content_type=declared)
    if allowed:
        call_sync(browser, NODE, file)
    else:
        with pytest.raises(AttachError, match="ignore_accept=True") as caught:
            call_sync(browser, NODE, file)
        assert f"but 'a.txt' is {seen or 'of no type it knows'}; " in str(caught.value)


@pytest.mark.parametrize(
    "names",
    [
        "application/gzip application/x-gzip",
        "application/pdf application/x-pdf",
        "application/rtf text/rtf",
        "application/xml text/xml",
        "application/zip application/x-zip-compressed application/x-zip",
        "audio/flac audio/x-flac",
        "audio/mp4 audio/m4a audio/x-m4a",
        "audio/mpeg audio/mp3 audio/x-mp3 audio/x-mpeg",
        "audio/wav audio/wave audio/x-wav audio/vnd.wave",
        "image/bmp image/x-bmp image/x-ms-bmp",
        "image/jpeg image/jpg image/pjpeg",
        "image/png image/x-png",
        "image/svg+xml image/svg",
        "image/tiff image/tif",
        "image/vnd.microsoft.icon image/x-icon image/ico",
        "text/csv application/csv text/x-csv",
        "text/javascript application/javascript application/x-javascript",
        "video/mp4 video/x-mp4",
        "video/x-msvideo video/avi video/msvideo",
    ],
)
def test_accept_takes_each_name_of_a_type_for_every_other(browser: Browser, names: str) -> None:
    for browser.facts["accept"], browser.seen[0]["type"] in permutations(names.split(), 2):
        call_sync(browser, NODE, FILE)
    browser.facts["accept"] = "application/x-another"
    with pytest.raises(AttachError, match="ignore_accept=True"):
        call_sync(browser, NODE, FILE)


def test_accept_takes_a_name_in_any_case(browser: Browser) -> None:
    browser.facts["accept"] = ".txt"
    browser.seen[0]["name"] = "A.TXT"
    call_sync(browser, NODE, RemoteFile("/uploads/A.TXT", 5))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/uploads/a b.txt", "a b.txt"),
        ("/uploads/back\\slash.txt", "back\\slash.txt"),
        ("C:\\uploads\\a.txt", "a.txt"),
        ("c:/uploads/a.txt", "a.txt"),
        ("\\\\server\\share\\a.txt", "a.txt"),
    ],
)
def test_absolute_paths_of_every_kind(browser: Browser, path: str, name: str) -> None:
    file = RemoteFile(path, 5)
    assert file.name == name
    browser.seen[0]["name"] = name
    call_sync(browser, NODE, file)


@pytest.mark.parametrize(
    "path", ["", "a.txt", "./a.txt", "../a.txt", "~/a.txt", "C:a.txt", "\\a.txt", "uploads\\a.txt", "file:///a.txt"]
)
@both
def test_a_relative_path_is_refused_before_anything_is_sent(browser: Browser, put: Put, path: str) -> None:
    with pytest.raises(AttachError, match="not an absolute path"):
        put(browser, NODE, RemoteFile(path, 5))
    assert browser.sent == []


@pytest.mark.parametrize("path", ["/", "/uploads/", "C:\\", "/uploads/a\0.txt"])
def test_a_path_that_names_no_file_is_refused(browser: Browser, path: str) -> None:
    with pytest.raises(AttachError, match="does not name a file"):
        call_sync(browser, NODE, RemoteFile(path, 5))
    assert browser.sent == []


def uploaded(session: str = "s", path: str | None = "/uploads/a.txt") -> UploadedFile:
    return UploadedFile(session, "a.txt", 5, "text/plain", path, "success", "thanks")


def test_an_upload_without_a_path_says_what_to_do(browser: Browser) -> None:
    with pytest.raises(AttachError, match=r"'a.txt', but 'thanks'; .*RemoteFile\(path, 5\)"):
        call_sync(browser, NODE, uploaded(path=None))


@both
def test_a_path_whose_file_was_written_anew_is_a_warning(browser: Browser, put: Put) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        session = put.__name__
        put(browser, NODE, uploaded(session))
        # A copy of the same upload, perhaps from another process, is no other upload.
        put(browser, NODE, attrs.evolve(uploaded(session)))
        browser.seen[0]["modified"] = 2
        put(browser, NODE, uploaded(f"another {session}"))
        put(browser, NODE, FILE)
    with pytest.warns(AttachedFileReplaced, match="/uploads/a.txt") as seen:
        put(browser, NODE, uploaded(session))
    if put is call_sync:
        assert seen[0].filename == __file__


def test_of_what_was_attached_the_oldest_is_forgotten(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expected, "_REMEMBERED", 2)
    monkeypatch.setattr(expected, "_attached", type(expected._attached)())
    for session in ("oldest", "middle", "newest"):
        call_sync(browser, NODE, uploaded(session))
    browser.seen[0]["modified"] = 2
    with pytest.warns(AttachedFileReplaced):
        call_sync(browser, NODE, uploaded("newest"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call_sync(browser, NODE, uploaded("oldest"))


def test_neither_module_needs_playwright() -> None:
    code = "import anchor_uploads.cdp, anchor_uploads.playwright, sys; print('playwright' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


PAGE = Path(anchor_uploads.__file__).parent / "_attach" / "page.js"


def test_the_browser_is_sent_whole_functions_of_page_js(browser: Browser) -> None:
    call_sync(browser, NODE, FILE)
    declarations = [params["functionDeclaration"] for _method, params in browser.sent if function_of(params)]
    assert len(declarations) == 6
    text = PAGE.read_text(encoding="utf-8")
    assert [each for each in declarations if f"\nexport {each}\n" not in text] == []


def test_each_function_of_page_js_stands_by_itself() -> None:
    code = re.sub(r"/\*\*.*?\*/", "", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    function = re.compile(r"^export (?:async )?function (\w+)(\(.*?\n\})$", re.MULTILINE | re.DOTALL)
    bodies = dict(function.findall(code))
    assert function.sub("", code).strip() == ""
    calls = re.compile(rf"(?<![\w.])({'|'.join(bodies)})\(")
    assert [name for name, body in bodies.items() if calls.search(body)] == []
