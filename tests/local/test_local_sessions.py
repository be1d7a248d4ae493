"""Sessions of the local Anchor: a real browser each, and nothing of it left at the end."""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import psutil
import pytest

from anchor_browser_api_models import (
    ErrorResponse,
    SessionList,
    SessionListReply,
    SessionReply,
    SessionStatusReply,
    UploadSessionNotFound,
)
from anchor_uploads.local import BrowserNotFound, LocalServer, find_browser
from anchor_uploads.local import sessions as local_sessions
from anchor_uploads.local.browser import find
from anchor_uploads.local.disk.removal import remove_tree
from anchor_uploads.local.records import Records
from anchor_uploads.local.sessions import SessionEnded, Sessions
from support.plain_cdp import cdp

if TYPE_CHECKING:
    from conftest import Anchor

WaitUntil = Callable[[Callable[[], bool], str], None]
ProcessesWith = Callable[[str], list[psutil.Process]]

needs_scripts = pytest.mark.skipif(os.name == "nt", reason="the stand-in browser is a shell script")


def error_of(reply: httpx.Response, status: int) -> str:
    assert reply.status_code == status, reply.text
    ErrorResponse.model_validate(reply.json(), strict=True)
    assert reply.json()["error"]["code"] == status
    message = reply.json()["error"]["message"]
    assert isinstance(message, str)
    return message


def test_a_session_has_a_browser_and_its_end_leaves_nothing(
    start: Callable[..., Anchor], browser: Path, processes_with: ProcessesWith
) -> None:
    anchor = start(browser=True)

    reply = anchor.client.post("/v1/sessions", json={})

    assert reply.status_code == 200, reply.text
    SessionReply.model_validate(reply.json(), strict=True)
    data = reply.json()["data"]
    session_id = data["id"]
    with cdp(data["cdp_url"]) as browser_cdp:
        assert "Chrom" in browser_cdp.send("Browser.getVersion")["product"]
    state = anchor.client.get(f"/v1/sessions/{session_id}")
    SessionStatusReply.model_validate(state.json(), strict=True)
    assert state.json() == {"data": {"status": "running"}}
    assert processes_with(session_id)
    singleton = Path(anchor.directory, session_id, "profile", "SingletonSocket")
    beside = Path(os.readlink(singleton)).parent if singleton.is_symlink() else None
    assert beside is None or beside.is_dir()

    ended = anchor.client.delete(f"/v1/sessions/{session_id}")

    assert ended.status_code == 200
    SessionStatusReply.model_validate(ended.json(), strict=True)
    assert ended.json() == {"data": {"status": "success"}}
    assert processes_with(session_id) == []
    assert anchor.session_directories() == []
    assert beside is None or not beside.exists()
    for method in ("GET", "DELETE"):
        error_of(anchor.client.request(method, f"/v1/sessions/{session_id}"), 404)


def test_a_browser_that_a_client_closed_leaves_nothing_either(
    start: Callable[..., Anchor], browser: Path, wait_until: WaitUntil, processes_with: ProcessesWith
) -> None:
    anchor = start(browser=True)
    session = anchor.client.post("/v1/sessions").json()["data"]
    singleton = Path(anchor.directory, session["id"], "profile", "SingletonSocket")
    beside = Path(os.readlink(singleton)).parent if singleton.is_symlink() else None

    with cdp(session["cdp_url"]) as browser_cdp:
        browser_cdp.send("Browser.close")
    wait_until(lambda: processes_with(session["id"]) == [], "the browser closed")

    assert anchor.client.delete(f"/v1/sessions/{session['id']}").status_code == 200
    assert anchor.session_directories() == []
    assert beside is None or not beside.exists()


def test_the_path_of_the_answer_goes_into_a_file_input(start: Callable[..., Anchor], browser: Path) -> None:
    anchor = start(browser=True)
    body = {"session": {"initial_url": "data:text/html,<input type=file>"}}
    session = anchor.client.post("/v1/sessions", json=body).json()["data"]
    upload = anchor.client.post(f"/v1/sessions/{session['id']}/uploads", files={"file": ("é.txt", b"content")})
    path = upload.json()["data"]["message"].removeprefix("File saved at ")

    with cdp(session["cdp_url"]) as browser_cdp:
        targets = browser_cdp.send("Target.getTargets")["targetInfos"]
        [page_id] = [target["targetId"] for target in targets if target["type"] == "page"]
        page = browser_cdp.send("Target.attachToTarget", targetId=page_id, flatten=True)["sessionId"]
        found: dict[str, Any] = {}
        while "objectId" not in found:  # The page may still be loading.
            query = "document.querySelector('input')"
            found = browser_cdp.send("Runtime.evaluate", page, expression=query)["result"]
        object_id = found["objectId"]
        browser_cdp.send("DOM.setFileInputFiles", page, files=[path], objectId=object_id)
        read = browser_cdp.send(
            "Runtime.evaluate",
            page,
            expression="(f => f.text().then(t => [f.name, t]))(document.querySelector('input').files[0])",
            awaitPromise=True,
            returnByValue=True,
        )

    assert read["result"]["value"] == ["é.txt", "content"]


def test_sessions_are_apart(start: Callable[..., Anchor], browser: Path, processes_with: ProcessesWith) -> None:
    anchor = start(browser=True)
    first, second = anchor.new_session(), anchor.new_session()
    for session_id in (first, second):
        anchor.client.post(f"/v1/sessions/{session_id}/uploads", files={"file": ("a", session_id.encode())})

    anchor.client.delete(f"/v1/sessions/{first}")

    assert processes_with(second)
    assert anchor.stored(second) == {"a": second.encode()}
    if os.name == "posix":
        modes = {path.stat().st_mode & 0o777 for path in (anchor.directory / second).glob("*") if path.is_dir()}
        assert modes == {0o700}


def test_the_first_page_can_be_chosen(start: Callable[..., Anchor], browser: Path) -> None:
    anchor = start(browser=True)
    session: dict[str, object] = {"initial_url": "data:text/html,<title>first", "proxy": {"a": 1}}
    body = {"session": session, "browser": {"viewport": {"width": 1}}, "further": [1]}

    reply = anchor.client.post("/v1/sessions", json=body)

    with cdp(reply.json()["data"]["cdp_url"]) as browser_cdp:
        targets = browser_cdp.send("Target.getTargets")["targetInfos"]
    urls = [target["url"] for target in targets if target["type"] == "page"]
    assert urls == ["data:text/html,<title>first"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"{", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"\x0b", "not valid JSON"),
        (b'"' + b"x" * 2_000_000 + b'"', "longer than"),
        (b"[]", "body: pass an object"),
        (b"null", "body: pass an object"),
        (b'{"browser": [5]}', "body.browser: pass an object"),
        (b'{"session": 5}', "body.session: pass an object"),
        (b'{"session": {"timeout": "5"}}', "body.session.timeout: pass an object"),
        (b'{"session": {"initial_url": null}}', "body.session.initial_url: pass a URL"),
        (b'{"session": {"initial_url": "no url"}}', "body.session.initial_url: pass a URL"),
        (b'{"session": {"initial_url": "about:"}}', "body.session.initial_url: pass a URL"),
        (b'{"session": {"initial_url": "http:///path"}}', "body.session.initial_url: pass a URL"),
        (b'{"session": {"initial_url": "http://[::1"}}', "body.session.initial_url: pass a URL"),
        (b'{"session": {"initial_url": "http://host:99999"}}', "body.session.initial_url: pass a URL"),
        (b'{"session": {"initial_url": "data:,\\u0000"}}', "body.session.initial_url: pass a URL"),
        (b'{"session": {"initial_url": "data:,\\ud800"}}', "body.session.initial_url: pass a URL"),
        (b'{"session": {"timeout": {"idle_timeout": "5"}}}', "body.session.timeout.idle_timeout: pass a whole number"),
        (b'{"session": {"timeout": {"idle_timeout": 5.5}}}', "body.session.timeout.idle_timeout: pass a whole number"),
        (b'{"session": {"timeout": {"max_duration": true}}}', "body.session.timeout.max_duration: pass a whole number"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_bad_body_starts_nothing(anchor: Anchor, body: bytes, problem: str) -> None:
    before = anchor.session_directories()

    assert problem in error_of(anchor.client.post("/v1/sessions", content=body), 400)
    assert anchor.session_directories() == before


def test_every_place_that_is_wrong_is_named_and_no_value(anchor: Anchor) -> None:
    session = {"initial_url": ["a secret"], "timeout": {"max_duration": "a secret"}, "proxy": "a secret"}
    message = error_of(anchor.client.post("/v1/sessions", json={"session": session, "browser": "a secret"}), 400)
    places = ["body.browser", "body.session.initial_url", "body.session.timeout.max_duration"]
    assert [problem.partition(":")[0] for problem in message.split("; ")] == places
    assert "secret" not in message


@pytest.mark.parametrize("body", [b"", b"{}", b" \n", b'{"browser": {}, "session": {"timeout": {}, "proxy": null}}'])
def test_the_body_is_optional(anchor: Anchor, body: bytes) -> None:
    reply = anchor.client.post("/v1/sessions", content=body)
    assert reply.status_code == 200
    data = reply.json()["data"]
    assert data["cdp_url"].startswith("ws://")
    anchor.client.delete(f"/v1/sessions/{data['id']}")


@pytest.mark.parametrize("session_id", ["nope", "%2e%2e", "a%2fb", "00000000-0000-0000-0000-000000000000"])
def test_unknown_sessions_are_404(anchor: Anchor, session_id: str) -> None:
    for method in ("GET", "DELETE"):
        error_of(anchor.client.request(method, f"/v1/sessions/{session_id}"), 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/sessions"),
        ("GET", "/v1/sessions/x"),
        ("DELETE", "/v1/sessions/x"),
        ("POST", "/v1/sessions/x/uploads"),
        ("GET", "/v1/sessions/all/status"),
        ("DELETE", "/v1/sessions/all"),
        ("GET", "/v1/sessions"),
        ("GET", "/v1/unknown"),
        ("GET", "/v2/unknown"),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"anchor-api-key": "wrong"}])
def test_every_operation_demands_the_key(anchor: Anchor, method: str, path: str, headers: dict[str, str]) -> None:
    url = anchor.server.base_url + path
    error_of(httpx.request(method, url, headers=headers, trust_env=False), 401)


def test_other_paths_and_methods_are_answered_in_the_same_shape(anchor: Anchor, session_id: str) -> None:
    error_of(anchor.client.get("/unknown"), 404)
    error_of(anchor.client.get("/healthz/"), 404)
    error_of(anchor.client.post("/"), 405)
    reply = anchor.client.put(f"/v1/sessions/{session_id}")
    error_of(reply, 405)
    assert {"GET", "DELETE"} <= set(reply.headers["allow"].split(", "))


HAS = (
    "POST /v1/sessions, DELETE /v1/sessions/all, GET /v1/sessions/all/status, DELETE /v1/sessions/{session_id}, "
    "GET /v1/sessions/{session_id}, POST /v1/sessions/{session_id}/uploads"
)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/unknown"),
        ("GET", "/v1/sessions"),
        ("POST", "/v1/sessions/async"),
        ("GET", "/v1/sessions/history"),
        ("GET", "/v1/sessions/pending-interventions"),
        ("GET", "/v1/sessions/{}/downloads"),
        ("PUT", "/v1/sessions/{}/a/b"),
        ("POST", "/v2/tasks/{}/run"),
        # A redirect would lead out of a proxy's scheme and path.
        ("POST", "/v1/sessions/"),
        ("GET", "/v1/sessions/{}/"),
        ("DELETE", "/v1/sessions/all/"),
        ("POST", "/v1/sessions/{}/uploads/"),
    ],
)
def test_an_operation_that_the_local_anchor_has_not_got_is_named_and_so_are_those_it_has(
    anchor: Anchor, session_id: str, method: str, path: str
) -> None:
    path = path.format(session_id)
    message = error_of(anchor.client.request(method, path, content=b"x" * 100_000), 501)
    assert message == f"{method} {path}: the local Anchor does not do this; it has {HAS}"


def test_the_name_of_all_sessions_is_no_id(anchor: Anchor) -> None:
    for method in ("GET", "POST", "PUT"):
        reply = anchor.client.request(method, "/v1/sessions/all")
        assert "runs here" not in error_of(reply, 405)
        assert reply.headers["allow"] == "DELETE"
    reply = anchor.client.post("/v1/sessions/all/uploads", files={"file": ("a", b"x")})
    assert reply.status_code == 404
    UploadSessionNotFound.model_validate(reply.json(), strict=True)
    assert "'all' stands for every session" in reply.json()["error"]["error"]["message"]


def listed(anchor: Anchor) -> list[str]:
    reply = anchor.client.get("/v1/sessions/all/status")
    assert reply.status_code == 200
    data = SessionListReply.model_validate(reply.json(), strict=True).data
    assert isinstance(data, SessionList)
    assert isinstance(data.items, list)
    assert data.count == len(data.items)
    assert {item.status for item in data.items} <= {"running"}
    return [item.session_id for item in data.items]


def test_the_list_is_of_the_sessions_that_run_oldest_first(start: Callable[..., Anchor]) -> None:
    anchor = start()
    assert listed(anchor) == []
    began = datetime.now(timezone.utc)
    one, other, third = anchor.new_session(), anchor.new_session(), anchor.new_session()
    anchor.client.delete(f"/v1/sessions/{other}")

    assert listed(anchor) == [one, third]
    for item in anchor.client.get("/v1/sessions/all/status").json()["data"]["items"]:
        since = datetime.fromisoformat(item["created_at"]) - began
        assert timedelta(milliseconds=-1) <= since < timedelta(seconds=30)


def test_the_end_of_all_sessions_leaves_nothing_of_them_and_the_faults(start: Callable[..., Anchor]) -> None:
    anchor = start()
    ended = [anchor.new_session() for _ in range(3)]
    fault = anchor.server.faults.add("create_session", status=429)

    for _ in range(2):
        reply = anchor.client.delete("/v1/sessions/all")
        assert reply.status_code == 200
        SessionStatusReply.model_validate(reply.json(), strict=True)
        assert anchor.session_directories() == []
        assert listed(anchor) == []
    for session_id in ended:
        message = error_of(anchor.client.get(f"/v1/sessions/{session_id}"), 404)
        assert message.startswith(f"session {session_id} was ended, with all others")
    assert anchor.server.faults.pending == (fault,)
    error_of(anchor.client.post("/v1/sessions"), 429)
    session_id = anchor.new_session()
    assert listed(anchor) == [session_id]


def test_the_end_of_all_sessions_stops_their_browsers(with_browser: Anchor, processes_with: ProcessesWith) -> None:
    made = [with_browser.new_session() for _ in range(2)]
    assert all(processes_with(session_id) for session_id in made)

    assert with_browser.client.delete("/v1/sessions/all").status_code == 200

    assert not any(processes_with(session_id) for session_id in made)
    assert with_browser.session_directories() == []


def test_the_end_of_all_sessions_says_what_is_left_of_one_and_ends_the_others(
    start: Callable[..., Anchor], monkeypatch: pytest.MonkeyPatch
) -> None:
    anchor = start()
    stuck, other = anchor.new_session(), anchor.new_session()

    def remove(directory: Path) -> None:
        if directory.name == stuck:
            raise OSError("the disk is gone")
        remove_tree(directory)

    monkeypatch.setattr(local_sessions, "remove_tree", remove)

    assert "not cleanly: the disk is gone" in error_of(anchor.client.delete("/v1/sessions/all"), 500)
    assert listed(anchor) == []
    assert not (anchor.directory / other).exists()


@pytest.mark.anyio
async def test_the_end_of_a_session_waits_for_what_it_cancelled(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path, browser=None, at_most=9, records=Records())
    session = await sessions.create()
    seen: list[object] = []

    async def work() -> None:
        try:
            with session.work():
                try:
                    await anyio.sleep_forever()
                finally:
                    with anyio.CancelScope(shield=True):
                        await anyio.sleep(0.1)
                        seen.append(session.uploads.exists())
        except SessionEnded:
            seen.append("told")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await anyio.wait_all_tasks_blocked()
        assert await sessions.end(session.id)
        assert not session.directory.exists()

    assert seen == [True, "told"]
    with pytest.raises(SessionEnded), session.work():
        pass


@pytest.mark.anyio
async def test_no_session_starts_once_all_are_closed(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path, browser=None, at_most=9, records=Records())
    session = await sessions.create()
    await sessions.close_all()
    assert not session.directory.exists()
    with pytest.raises(SessionEnded):
        await sessions.create()


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
    path.chmod(0o755)
    return path


@needs_scripts
def test_a_browser_that_does_not_start_is_a_500_that_says_why(
    start: Callable[..., Anchor], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "echo DevTools listening on ws://secret >&2; echo no sandbox today >&2; exit 3"
    broken = script(tmp_path_factory.mktemp("bin") / "chrome", words)
    monkeypatch.setenv("ANCHOR_UPLOADS_BROWSER", str(broken))
    anchor = start(browser=True)

    message = error_of(anchor.client.post("/v1/sessions"), 500)

    assert str(broken) in message
    assert "exit code 3" in message
    assert "no sandbox today" in message
    assert "ANCHOR_UPLOADS_NO_SANDBOX=1" in message
    assert "secret" not in message
    assert anchor.session_directories() == []


@needs_scripts
def test_a_browser_that_is_starting_is_stopped_with_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil, processes_with: ProcessesWith
) -> None:
    # Never ready, with a child that does not name the profile, and one that names it but has
    # lost its parent: Chromium has both kinds.
    seconds = 300 + random.random()  # Tells our sleep from that of others.
    loop = "while :; do sleep 1; done"
    slow = script(tmp_path / "chrome", f"sleep {seconds} & (sh -c '{loop}' orphan \"$@\" &)\nwait")
    monkeypatch.setenv("ANCHOR_UPLOADS_BROWSER", str(slow))
    directory = tmp_path / "sessions"
    statuses: list[int] = []

    def orphans() -> list[psutil.Process]:
        return [process for process in processes_with(str(directory)) if "orphan" in process.cmdline()]

    def children() -> list[psutil.Process]:
        return processes_with(f"sleep {seconds}")

    def create(server: LocalServer) -> None:
        url, headers = f"{server.base_url}/v1/sessions", {"anchor-api-key": server.api_key}
        statuses.append(httpx.post(url, headers=headers, timeout=30, trust_env=False).status_code)

    with LocalServer(directory=directory) as server:
        creating = threading.Thread(target=create, args=(server,))
        creating.start()
        wait_until(lambda: bool(orphans()) and bool(children()), "the browser is starting")
        started = [*orphans(), *children()]
        began = time.monotonic()
    creating.join()

    assert time.monotonic() - began < 5
    assert statuses == [500]
    assert processes_with(str(directory)) == []
    assert not [p for p in started if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert list(directory.iterdir()) == []


def test_the_environment_names_the_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANCHOR_UPLOADS_BROWSER", str(tmp_path / "none"))
    with pytest.raises(BrowserNotFound, match=re.escape(repr(str(tmp_path / "none")))):
        find_browser()
    with pytest.raises(BrowserNotFound), LocalServer():
        pass

    chosen = script(tmp_path / "some.exe", "exit 0")
    monkeypatch.setenv("ANCHOR_UPLOADS_BROWSER", str(chosen))
    assert find_browser() == chosen


def test_playwrights_newest_complete_download_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANCHOR_UPLOADS_BROWSER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(find, "_install_locations", lambda: iter([]))
    cache = tmp_path / "cache"
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(cache))
    assert find_browser() is None
    with pytest.raises(BrowserNotFound, match="ANCHOR_UPLOADS_BROWSER"), LocalServer():
        pass

    for name in ("chromium-999/chrome-linux", "chromium-1200/chrome-win64", "chromium-1300/chrome-linux64"):
        (cache / name).mkdir(parents=True)
        script(cache / name / ("chrome.exe" if "win" in name else "chrome"), "exit 0")
    assert find_browser() is None, "downloads that broke off do not count"

    (cache / "chromium-999" / "INSTALLATION_COMPLETE").touch()
    assert find_browser() == cache / "chromium-999/chrome-linux/chrome"
    (cache / "chromium-1300" / "INSTALLATION_COMPLETE").touch()
    assert find_browser() == cache / "chromium-1300/chrome-linux64/chrome"


@needs_scripts
def test_a_snap_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANCHOR_UPLOADS_BROWSER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "none"))
    monkeypatch.setattr(find, "_install_locations", lambda: iter([]))
    script(tmp_path / "chromium-browser", 'exec /snap/bin/chromium "$@"')
    assert find_browser() is None
    chromium = script(tmp_path / "chromium", "exit 0")
    assert find_browser() == chromium
