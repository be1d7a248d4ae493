"""`anchor-uploads attach` and `drop`: what the command does to a page, and what it says of one that it cannot use."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from anchor_uploads import Session, UploadClient
from support.form_site import FormSite, Received

from .conftest import CONTENTS, Hang


@pytest.fixture(scope="module")
def context(playwright: Any, session: Session) -> Iterator[Any]:
    browser = playwright.chromium.connect_over_cdp(str(session.cdp_url))
    for page in browser.contexts[0].pages:
        page.goto("about:blank")
    yield browser.contexts[0]
    browser.close()


@pytest.fixture
def page(context: Any) -> Iterator[Any]:
    page = context.new_page()
    page.set_default_timeout(15_000)
    yield page
    page.close()


class Command:
    """Runs the command as a process of its own, on the session of these tests."""

    def __init__(self, client: UploadClient, session: Session, folder: Path) -> None:
        self._client = client
        self._session = session
        self.paths = [str(folder / name) for name in CONTENTS]
        for name, content in CONTENTS.items():
            (folder / name).write_bytes(content)

        self.temporary = folder / "temporary"
        self.temporary.mkdir()

    def start(self, name: str, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        settings = self._client.settings
        known = {"ANCHORBROWSER_API_KEY": settings.api_key, "ANCHORBROWSER_BASE_URL": settings.base_url}
        temporary = dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(self.temporary))
        return subprocess.Popen(
            [sys.executable, "-m", "anchor_uploads", name, self._session.id, *arguments],
            env={**os.environ, **known, **temporary, **variables, "PYTHONIOENCODING": "utf-8"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            # As from a terminal, where Ctrl-C reaches all of a group.
            start_new_session=True,
        )

    def wait_until_connected(self) -> None:
        deadline = time.monotonic() + 60
        # Of each browser the driver makes one.
        while not [*self.temporary.glob("*/playwright-artifacts-*")] and time.monotonic() < deadline:
            time.sleep(0.05)

    def finish(self, process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
        try:
            out, error = process.communicate(timeout=100)
        finally:
            process.kill()
        assert self._client.settings.api_key not in out + error
        assert [*self.temporary.iterdir()] == []
        return subprocess.CompletedProcess(process.args, process.returncode, out, error)

    def __call__(self, name: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.finish(self.start(name, *arguments, **variables))


@pytest.fixture
def command(client: UploadClient, session: Session, tmp_path: Path) -> Command:
    return Command(client, session, tmp_path)


def received() -> list[Received]:
    return [Received(name, len(content), sha256(content).hexdigest()) for name, content in CONTENTS.items()]


def with_secrets(url: str) -> str:
    """The same page, at an address that nobody may see."""
    return url.replace("//", f"//me:{'a-secret' * 12}@") + "&token=a-secret#it's-a-secret"


@pytest.mark.parametrize("place", ["main", "same-origin", "cross-origin", "shadow"])
def test_attach_uploads_and_puts_the_files_into_the_input(
    place: str, page: Any, site: FormSite, command: Command
) -> None:
    page.goto(with_secrets(site.url(place, "multiple")))
    done = command("attach", *command.paths, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(file["name"], file["size"], file["page"]) for file in told] == [
        (name, len(content), f"{site.origin}/{place}") for name, content in CONTENTS.items()
    ]
    frame = page.frames[-1]
    frame.locator("button").last.click()
    assert site.submitted() == received()


def test_drop_uploads_and_drops_the_files(page: Any, site: FormSite, command: Command) -> None:
    page.goto(site.zone("cross-origin"))
    done = command("drop", *command.paths, "--selector", "#zone")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split("  ")[0] for line in done.stdout.splitlines()] == list(CONTENTS)
    assert site.submitted() == received()


@pytest.mark.parametrize("options", [[], ["--ignore-accept"]])
def test_what_the_input_does_not_accept_is_refused_unless_that_is_wanted(
    options: list[str], page: Any, site: FormSite, command: Command
) -> None:
    page.goto(site.url(attributes="multiple accept=image/png"))
    done = command("attach", *command.paths, *options)
    assert done.returncode == (0 if options else 1)
    assert page.locator("input").evaluate("input => input.files.length") == (2 if options else 0)
    assert ("pass --ignore-accept" in done.stderr) is not bool(options)
    # What is in the session without being in the page is told as `upload` tells it.
    assert (sorted(line.split(" -> ")[0] for line in done.stdout.splitlines()) == sorted(CONTENTS)) is not bool(options)


@pytest.mark.parametrize("name", ["attach", "drop"])
@pytest.mark.parametrize("as_json", [False, True])
def test_where_one_file_fails_none_is_attached_and_each_is_told(
    as_json: bool, name: str, page: Any, site: FormSite, command: Command
) -> None:
    page.goto(site.url(attributes="multiple"))
    missing = str(command.temporary / "missing")
    done = command(name, missing, *command.paths, "--selector", "input", *["--json"] * as_json)
    assert done.returncode == 1
    assert page.locator("input").evaluate("input => input.files.length") == 0
    assert done.stderr == f"anchor-uploads: {missing}: {missing!r} does not exist\n"
    lines = done.stdout.splitlines()
    if as_json:
        told = {line["file"]: line.get("error", {}).get("type") for line in map(json.loads, lines)}
        assert told == {missing: "SourceError", **dict.fromkeys(command.paths)}
    else:
        assert sorted(line.split(" -> ")[0] for line in lines) == sorted(CONTENTS)


@pytest.mark.parametrize("name", ["attach", "drop"])
@pytest.mark.parametrize("as_json", [False, True])
def test_what_every_further_file_would_meet_hides_no_end_of_one_that_was_begun(
    as_json: bool, name: str, page: Any, site: FormSite, command: Command, client: UploadClient
) -> None:
    page.goto(site.url(attributes="multiple"))
    for fault in ({"delay": 0.5}, {"status": 403}):
        httpx.post(
            f"{client.settings.base_url}/local/faults",
            headers={"anchor-api-key": client.settings.api_key},
            json={"operation": "upload_file", **fault},
            trust_env=False,
        ).raise_for_status()
    done = command(name, *command.paths, "--selector", "input", *["--json"] * as_json)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "failed with 403" in done.stderr
    lines = done.stdout.splitlines()
    if as_json:
        told = [json.loads(line) for line in lines]
        assert sorted(line["file"] for line in told) == sorted(command.paths)
        assert sorted(line.get("error", {}).get("type", "") for line in told) == ["", "AuthenticationFailed"]
    else:
        assert len(lines) == 1
    assert page.locator("input").evaluate("input => input.files.length") == 0


def test_the_browser_is_where_the_environment_says(
    page: Any, site: FormSite, command: Command, session: Session
) -> None:
    page.goto(site.url(attributes="multiple"))
    # The base URL would lead elsewhere; a path of its own is what the local Anchor refuses.
    elsewhere = str(session.cdp_url).replace("?", "/elsewhere?")
    assert command("attach", *command.paths, ANCHOR_UPLOADS_CDP_URL=elsewhere).returncode == 1
    assert command("attach", *command.paths, ANCHOR_UPLOADS_CDP_URL=str(session.cdp_url)).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--selector", "#none"], "no elements match '#none'"),
        (["--selector", "body *"], "elements match 'body *', and one is needed"),
        (["--selector", "###"], "'###' cannot be looked for: "),
        (["--page", "elsewhere"], "Pages looked at: none"),
        (["--page", "token=a-secret", "--selector", "#none"], "Pages looked at: {origin}/it%27s\n"),
        (["--cdp-url", "ws://127.0.0.1:9/?apiKey=a-secret"], "cannot be used"),
        # Playwright tells of this one with a path that it has not.
        (["--cdp-url", "http://me:a-secret@{host}?apiKey=a-secret"], "cannot be used"),
    ],
)
def test_nothing_is_uploaded_for_an_element_that_is_not_there(
    arguments: list[str], told: str, page: Any, site: FormSite, command: Command, client: UploadClient, session: Session
) -> None:
    site.put("it's", "<input type=file><b></b>")
    page.goto(with_secrets(f"{site.origin}/it's?attributes"))
    uploads = Path(str(client.upload_file(session.id, b"", filename="a").path)).parent
    before = {path: path.stat() for path in uploads.iterdir()}
    host = urlsplit(client.settings.base_url).netloc
    done = command("attach", command.paths[0], "--timeout", "1", *(each.format(host=host) for each in arguments))
    assert {path: path.stat() for path in uploads.iterdir()} == before
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert told.format(origin=site.origin) in done.stderr
    assert "a-secret" not in done.stderr


def test_a_frame_that_goes_away_while_it_is_looked_into_holds_nothing(
    page: Any, site: FormSite, command: Command, hang: Hang
) -> None:
    page.goto(site.put("parent", "<div></div>"))
    address = site.put("hanging", f"<script>{hang.script}</script>").replace("127.0.0.1", "localhost")
    page.evaluate(f"document.body.append(Object.assign(document.createElement('iframe'), {{src: {address!r}}}))")
    hang.begun()
    attaching = command.start("attach", *command.paths)
    command.wait_until_connected()
    # It looks into the frame by now, or soon; should it look later, it meets no frame.
    time.sleep(1)
    page.evaluate("document.body.innerHTML = '<input type=file multiple>'")
    assert command.finish(attaching).returncode == 0


def test_of_several_pages_the_address_tells_which(page: Any, context: Any, site: FormSite, command: Command) -> None:
    page.goto(site.url(attributes="class=mine multiple"))
    other = context.new_page()
    other.goto(site.url(attributes="class=other multiple"))
    try:
        ambiguous = command("attach", *command.paths)
        assert ambiguous.returncode == 1
        assert "2 elements match" in ambiguous.stderr
        done = command("attach", *command.paths, "--page", "mine")
        assert [line.partition(" of ")[2] for line in done.stdout.splitlines()] == [f"{site.origin}/main"] * 2
    finally:
        other.close()
    assert page.locator("input").evaluate("input => input.files.length") == 2


@pytest.mark.skipif(os.name == "nt", reason="uses POSIX signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_what_ends_it_leaves_no_file_behind(name: str, page: Any, command: Command) -> None:
    waiting = command.start("attach", command.paths[0], "--selector", "#none", "--timeout", "90")
    command.wait_until_connected()
    os.killpg(waiting.pid, getattr(signal, name))
    done = command.finish(waiting)
    assert (done.returncode, done.stdout) == (130, "")
    assert "anchor-uploads: interrupted\n" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="uses POSIX signals")
def test_ctrl_c_tells_what_was_uploaded(page: Any, site: FormSite, command: Command, hang: Hang) -> None:
    page.goto(site.url(attributes="multiple"))
    page.locator("input").evaluate(f"input => {{ input.onchange = () => {hang.script} }}")
    attaching = command.start("attach", *command.paths)
    hang.begun()
    os.killpg(attaching.pid, signal.SIGINT)
    done = command.finish(attaching)
    hang.close()
    assert (done.returncode, done.stderr) == (130, "\nanchor-uploads: interrupted\n")
    assert sorted(line.split(" -> ")[0] for line in done.stdout.splitlines()) == sorted(CONTENTS)
