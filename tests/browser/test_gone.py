"""Pages that take their files and go away: whoever is then told that they have not got them sends them twice."""

from __future__ import annotations

import hashlib
from contextlib import closing
from typing import Any

import pytest

from anchor_uploads import Session, UploadClient, UploadedFile
from support.form_site import FormSite, Received

from .conftest import Hang, Twin

CONTENT = b"once is enough\n" * 10

# In the midst of it, before the browser has answered, and so that the web server knows whether the page had the file.
SEND = """
const send = files => {
  const body = new FormData();
  for (const file of files) body.append("document", file);
  const request = new XMLHttpRequest();
  request.open("POST", "http://127.0.0.1:PORT/submit", false);
  try { request.send(body); } catch { /* another site may not read the answer */ }
};
const busy = milliseconds => { for (const end = Date.now() + milliseconds; Date.now() < end;); };
const input = document.querySelector("input"), zone = document.querySelector("#zone");
input?.addEventListener("change", () => { send(input.files); GO; });
zone?.addEventListener("drop", event => { event.stopImmediatePropagation(); send(event.dataTransfer.files); GO }, true);
"""


@pytest.fixture(scope="module")
def uploaded(client: UploadClient, session: Session) -> UploadedFile:
    return client.upload_file(session.id, CONTENT, filename="once.txt", checksum=True)


@pytest.mark.by_turns
@pytest.mark.parametrize(
    ("way", "place", "go"),
    [
        ("attach", "same-origin", "frameElement.remove()"),
        # Chromium itself crashes where a handler of drop removes its frame at once.
        ("drop", "same-origin", "setTimeout(() => frameElement.remove())"),
        *(
            (way, place, go)
            for way in ("attach", "drop")
            for place, go in [
                ("same-origin", "parent.location = 'about:blank'"),
                ("same-origin", "location = 'http://localhost:PORT/main'"),
                ("cross-origin", "location = 'http://127.0.0.1:PORT/main'; busy(200)"),
                ("cross-origin", "parent.postMessage('remove', '*'); busy(200)"),
                ("cross-origin", "top.location = 'http://127.0.0.1:PORT/main'"),
                ("main", "location = 'http://localhost:PORT/main'"),
                ("main", "document.open(); document.write('thanks')"),
                ("popup", "close()"),
                ("popup", "close(); busy(200)"),
                ("popup", "opener.shut(); busy(200)"),
            ]
        ),
    ],
)
def test_a_page_that_goes_away_with_its_files_has_got_them(
    twin: Twin, site: FormSite, uploaded: UploadedFile, way: str, place: str, go: str, rounds: range
) -> None:
    address = site.url if way == "attach" else site.zone
    for _round in rounds:
        page = twin.context.new_page()
        frame = _open(page, address("main" if place == "popup" else place), place)
        frame.evaluate(f"() => {{ {SEND.replace('GO', go).replace('PORT', str(site.port))} }}")
        target = frame.locator("input" if way == "attach" else "#zone")
        (given,) = (twin.attach if way == "attach" else twin.drop)(target, uploaded)
        assert (given.name, given.size) == ("once.txt", len(CONTENT))
        assert site.submitted() == [Received("once.txt", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())]
        page.close()


def _open(page: Any, address: str, place: str) -> Any:
    """Open the page, and return the frame that the form is in."""
    if place != "popup":
        page.goto(address)
        page.evaluate("() => addEventListener('message', () => document.querySelector('iframe').remove())")
        return page if place == "main" else page.query_selector("iframe").content_frame()
    page.goto(address)
    before = len(page.context.pages)
    page.evaluate(
        "url => { const opened = window.open(url, '', 'width=600'); window.shut = () => opened.close() }", address
    )
    while len(page.context.pages) == before:
        page.wait_for_timeout(20)
    popup = page.context.pages[-1]
    popup.wait_for_load_state()
    return popup


@pytest.mark.parametrize(
    ("way", "answer"), [("attach", "that it is closed"), ("drop", "that it is closed"), ("drop", "none")]
)
def test_a_page_that_closes_before_its_browser_has_answered_has_got_them(
    playwright: Any,
    session: Session,
    site: FormSite,
    uploaded: UploadedFile,
    way: str,
    answer: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from playwright.sync_api import CDPSession

    from anchor_uploads import playwright as ours

    send = CDPSession.send
    sent = []

    def send_and_close(cdp: CDPSession, method: str, params: Any = None) -> Any:
        sent.append(method)
        result = send(cdp, method, params)
        if params.get("type") != "drop" and sent.count("DOM.setFileInputFiles") < 2:
            return result
        page.close()
        if answer == "none":
            other.wait_for_timeout(60_000)
        return send(cdp, method, params)

    monkeypatch.setattr(ours, "_DROPPED", 0.5)
    with closing(playwright.chromium.connect_over_cdp(str(session.cdp_url))) as browser:
        page, other = browser.contexts[0].new_page(), browser.contexts[0].new_page()
        page.goto(site.url() if way == "attach" else site.zone())
        page.evaluate(f"() => {{ {SEND.replace('GO', '0').replace('PORT', str(site.port))} }}")
        target = page.locator("input" if way == "attach" else "#zone").element_handle()
        monkeypatch.setattr(CDPSession, "send", send_and_close)
        (given,) = (ours.attach if way == "attach" else ours.drop)(target, uploaded, timeout=10)
        assert given.name == "once.txt"
        assert site.submitted() == [Received("once.txt", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())]
        other.close()


@pytest.mark.parametrize("way", ["attach", "drop"])
def test_what_ends_with_its_browser_may_have_got_them(
    playwright: Any, client: UploadClient, site: FormSite, hang: Hang, way: str
) -> None:
    from anchor_uploads import AttachError
    from anchor_uploads.playwright import attach, drop

    with (
        client.session() as session,
        closing(playwright.chromium.connect_over_cdp(str(session.cdp_url))) as browser,
    ):
        page = browser.contexts[0].new_page()
        again = client.upload_file(session.id, CONTENT, filename="once.txt")
        page.goto(site.url() if way == "attach" else site.zone())
        # What the page says is heard in the midst of its handler; the service then ends the session.
        page.evaluate(f"() => {{ {SEND.replace('GO', hang.script).replace('PORT', str(site.port))} }}")
        page.on("request", lambda request: client.end_session(session.id) if "submit" in request.url else None)
        with pytest.raises(AttachError, match="may have them; look before you attach again"):
            (attach if way == "attach" else drop)(page.locator("input" if way == "attach" else "#zone"), again)
