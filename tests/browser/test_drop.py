"""`drop` in a real Chromium: pages with drop zones, whose web server says what really arrived."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import attrs
import pytest

from anchor_uploads import AttachError, Session, UploadedFile
from anchor_uploads.cdp import RemoteFile, drop_files
from support.form_site import FormSite, Received
from support.plain_cdp import cdp

from .conftest import IN_SHADOW, Twin, arrived, frame_of

TAKEN = [["zone", "dragenter", True], ["zone", "dragover", True], ["zone", "dragover", True], ["zone", "drop", True]]


def zone(page: Any, place: str = "main", selector: str = "#zone") -> Any:
    return frame_of(page, place).locator(selector)


def heard(page: Any, place: str = "main") -> Any:
    return zone(page, place, "html").evaluate("() => heard")


@pytest.mark.by_turns
@pytest.mark.parametrize("count", [1, 2], ids=["one", "several"])
@pytest.mark.parametrize("place", ["main", "same-origin", "cross-origin", "scaled", "nested", "shadow", *IN_SHADOW])
def test_the_zone_gets_the_files_by_trusted_events(
    twin: Twin, page: Any, site: FormSite, files: list[UploadedFile], place: str, count: int
) -> None:
    page.goto(site.zone(place, "style='margin-top: 2000px; zoom: .7'"))
    if place in ("cross-origin", "scaled", "nested"):
        # Raises for a frame that is not in a process of its own, and then this would show nothing.
        page.context.new_cdp_session(page.frames[1]).detach()

    dropped = twin.drop(zone(page, place), *files[:count])

    assert [(each.name, each.size, each.sha256) for each in dropped] == [
        (each.name, each.size, each.sha256) for each in arrived(files[:count])
    ]
    assert site.submitted() == arrived(files[:count])
    assert heard(page, place) == TAKEN
    assert zone(page, place, "html").evaluate("() => entries") == [file.name for file in files[:count]]


@pytest.mark.by_turns
@pytest.mark.parametrize("place", ["main", "same-origin", "cross-origin", "scaled", "nested"])
def test_the_files_are_dropped_at_the_position(
    twin: Twin, page: Any, site: FormSite, files: list[UploadedFile], place: str
) -> None:
    page.goto(site.zone(place))
    where = "zone => zone.addEventListener('drop', event => { window.at = [event.offsetX, event.offsetY] })"
    zone(page, place).evaluate(where)
    twin.drop(zone(page, place), files[0], position=(4, 96))
    # Where two pixels of the frame are one of the screen, it is one of the two.
    assert zone(page, place, "html").evaluate("() => at") == pytest.approx([4, 96], abs=2 if place == "scaled" else 1)
    assert site.submitted() == arrived(files[:1])


def test_an_element_in_a_closed_shadow_root_will_do_and_is_told_from_its_neighbour(
    twin: Twin, page: Any, site: FormSite, files: list[UploadedFile]
) -> None:
    page.goto(site.zone("closed-shadow"))
    assert page.evaluate("root.mode") == "closed"
    target = page.evaluate_handle("root.querySelector('#zone')").as_element()
    twin.drop(target, files)
    assert site.submitted() == arrived(files)
    assert heard(page) == TAKEN
    target.evaluate("zone => { zone.style.marginBottom = '-100px' }")
    with pytest.raises(AttachError, match='<div id="neighbour"> stands in front'):
        twin.drop(target, files)
    assert heard(page) == TAKEN


@pytest.mark.by_turns
@pytest.mark.parametrize(
    "emulated",
    [
        {"deviceScaleFactor": 3, "width": 800, "height": 600, "mobile": False},
        {"deviceScaleFactor": 1, "width": 500, "height": 400, "mobile": True, "scale": 0.5},
    ],
    ids=["dense", "mobile"],
)
def test_what_the_screen_is_like_does_not_matter(
    twin: Twin, own_page: Any, site: FormSite, files: list[UploadedFile], emulated: dict[str, Any]
) -> None:
    own_page.goto(site.zone(attributes="style='margin: 900px 0 0 700px; transform: rotate(30deg) scale(1.3)'"))
    session = own_page.context.new_cdp_session(own_page)
    session.send("Emulation.setDeviceMetricsOverride", emulated)
    session.send("Emulation.setPageScaleFactor", {"pageScaleFactor": 2})
    twin.drop(zone(own_page), files[0], position=(10, 90))
    assert site.submitted() == arrived(files[:1])
    assert heard(own_page) == TAKEN
    session.detach()


def test_a_page_in_the_background_gets_them_too(
    twin: Twin, own_page: Any, site: FormSite, files: list[UploadedFile]
) -> None:
    own_page.goto(site.zone())
    other = twin.context.new_page()
    other.bring_to_front()
    twin.drop(zone(own_page), files[0])
    assert site.submitted() == arrived(files[:1])
    other.close()


def wait_until_drawn(page: Any) -> None:
    """Wait until the pointer meets the cover: between processes it meets what was drawn last."""
    page.evaluate("() => { document.querySelector('.cover').onmousemove = () => { window.covered = true } }")
    for at in range(1000):
        page.mouse.move(20 + at % 2, 20)
        if page.evaluate("() => window.covered"):
            return
    raise AssertionError("the cover is not drawn")


COVER = "position: fixed; inset: 0; background: #0008"
UNDER_INPUT = (
    "document.querySelector('#zone').outerHTML = '<div id=zone style=\"position: relative; height: 90px\">"
    '<input id=over type=file {} style="position: absolute; inset: 0; opacity: 0">\''
)
INPUT_BESIDE = f"document.body.insertAdjacentHTML('beforeend', '<input id=over type=file style=\"{COVER}\">')"
OVER = f"document.querySelector('#host').style.cssText = '{COVER}'; root.firstChild.style.cssText = '{COVER}'"


@pytest.mark.by_turns
@pytest.mark.parametrize(
    ("place", "change", "options", "says"),
    [
        (
            "main",
            f"document.body.insertAdjacentHTML('beforeend', '<div id=cover style=\"{COVER}\">')",
            {},
            '<div id="cover',
        ),
        (
            "same-origin",
            f"document.body.insertAdjacentHTML('beforeend', '<p class=cover style=\"{COVER}\">')",
            {},
            "<p class",
        ),
        ("main", "document.querySelector('#zone').style.pointerEvents = 'none'", {}, "stands in front"),
        (
            "shadow",
            "root.querySelector('#zone').style.marginBottom = '-100px'",
            {},
            '<div id="neighbour">',
        ),
        ("main", "document.querySelector('#zone').style.display = 'none'", {}, "is not shown"),
        ("main", "document.querySelector('#zone').hidden = true", {}, "is not shown"),
        ("main", "document.querySelector('#zone').style.cssText = 'width: 0; padding: 0'", {}, "is not shown"),
        ("main", "0", {"position": (500, 5)}, r"\(500, 5\) is not in <div.*200 by 100 pixels"),
        ("main", "document.querySelector('#zone').outerHTML = '<div id=zone>plain</div>'", {}, "does not take"),
        ("main", "document.querySelector('#zone').outerHTML = '<input id=zone type=file>'", {}, "attach"),
        ("main", UNDER_INPUT.format(""), {}, '<input type="file" id="over"> lies over <div id="zone">.*attach'),
        ("main", UNDER_INPUT.format("disabled"), {}, '<div id="zone"> does not take'),
        ("shadow", UNDER_INPUT.replace("document", "root").format(""), {}, '<input type="file" id="over"> lies over'),
        ("main", INPUT_BESIDE, {}, '<input type="file" id="over"> lies over <div id="zone">.*attach'),
        ("main", INPUT_BESIDE.replace("file ", "text "), {}, '<input type="text" id="over"> stands in front'),
        (
            "cross-origin",
            f"document.body.insertAdjacentHTML('beforeend', '<p class=cover style=\"{COVER}\">')",
            {},
            "something stands in front of its frame",
        ),
        ("beside-iframe", OVER, {}, '<div id="zone"> stands in front'),
        ("beside-closed-iframe", OVER, {}, '<div id="zone"> stands in front'),
        (
            "main",
            "document.querySelector('#zone').addEventListener('dragover', e => { e.dataTransfer.dropEffect = 'none' })",
            {},
            "does not take",
        ),
    ],
    ids=[
        "covered",
        "frame covered",
        "no pointer",
        "neighbour",
        "no box",
        "hidden",
        "no width",
        "beside",
        "deaf",
        "input",
        "under an input in it",
        "under a disabled input in it",
        "under an input in it, in a shadow tree",
        "under an input of files beside it",
        "under an input of text beside it",
        "frame of another site covered",
        "iframe of a shadow tree in front",
        "iframe of a closed shadow tree in front",
        "none",
    ],
)
def test_what_cannot_take_them_is_an_error_that_says_why(
    twin: Twin,
    page: Any,
    site: FormSite,
    files: list[UploadedFile],
    place: str,
    change: str,
    options: dict[str, Any],
    says: str,
) -> None:
    page.goto(site.zone(place))
    zone(page, place).wait_for()
    page.evaluate(f"() => {{ {change} }}")
    target = zone(page, place).element_handle(timeout=5000) if "none" not in change else page.query_selector("#zone")
    pages = len(twin.context.pages)
    if place == "cross-origin":
        wait_until_drawn(page)
    with pytest.raises(AttachError, match=says):
        twin.drop(target or zone(page, place), files[0], **options)
    assert "drop" not in [kind for _zone, kind, _trusted in heard(page, place)]
    assert "neighbour" not in [name for name, _kind, _trusted in heard(page, place)]
    everywhere = [frame.evaluate("() => window.heard ?? []") for frame in page.frames]
    assert [each for each in everywhere if each] in ([], [heard(page, place)])
    # A browser opens what nobody takes, as a page of its own.
    page.wait_for_timeout(200)
    assert len(twin.context.pages) == pages


def test_a_page_that_does_not_take_them_sees_them_leave(
    twin: Twin, page: Any, site: FormSite, files: list[UploadedFile]
) -> None:
    page.goto(site.zone(attributes="ondragover='event.dataTransfer.dropEffect = \"none\"'"))
    with pytest.raises(AttachError, match="does not take what is dropped"):
        twin.drop(zone(page), files[0])
    assert heard(page)[-1] == ["zone", "dragleave", True]
    # And is well again, beside it and there.
    zone(page).evaluate("zone => { zone.ondragover = null; heard.length = 0 }")
    twin.drop(zone(page, selector="#neighbour"), files[0])
    twin.drop(zone(page), files[0])
    assert [site.submitted(), site.submitted()] == [arrived(files[:1])] * 2
    assert heard(page) == [["neighbour", *rest] for _zone, *rest in TAKEN] + TAKEN


@pytest.mark.by_turns
@pytest.mark.parametrize("asks_for", ["copy", "move", "link"])
def test_a_page_may_ask_for_any_effect(
    twin: Twin, page: Any, site: FormSite, files: list[UploadedFile], asks_for: str
) -> None:
    page.goto(site.zone(attributes=f"ondragover='event.dataTransfer.dropEffect = \"{asks_for}\"'"))
    twin.drop(zone(page), files[0])
    assert site.submitted() == arrived(files[:1])


@pytest.mark.by_turns
@pytest.mark.parametrize("when", ["dragenter", "dragover"])
@pytest.mark.parametrize("times", [1, 3])
def test_files_meant_for_one_zone_do_not_land_in_its_neighbour(
    twin: Twin, page: Any, site: FormSite, files: list[UploadedFile], when: str, times: int
) -> None:
    page.goto(site.zone())
    page.evaluate(
        """([when, times]) => {
            const [one, other] = document.querySelectorAll('.zone');
            one.addEventListener(when, () => {
                if (times-- > 0) one.previousElementSibling === other ? one.after(other) : one.before(other);
            });
        }""",
        [when, times],
    )
    twin.drop(zone(page), files[0])
    assert site.submitted() == arrived(files[:1])
    assert {(name, kind) for name, kind, _trusted in heard(page)} <= {
        ("zone", "dragenter"),
        ("zone", "dragover"),
        ("zone", "dragleave"),
        ("zone", "drop"),
    }


def test_a_zone_that_never_stands_still_is_an_error(
    twin: Twin, page: Any, site: FormSite, files: list[UploadedFile]
) -> None:
    page.goto(site.zone())
    page.evaluate(
        """() => {
            const [one, other] = document.querySelectorAll('.zone');
            one.addEventListener('dragover', () => {
                one.previousElementSibling === other ? one.after(other) : one.before(other);
            });
        }"""
    )
    with pytest.raises(AttachError, match="moved each time"):
        twin.drop(zone(page), files[0])
    assert "drop" not in [kind for _zone, kind, _trusted in heard(page)]


def test_a_page_may_make_up_its_mind_late(twin: Twin, page: Any, site: FormSite, files: list[UploadedFile]) -> None:
    page.goto(site.zone())
    page.evaluate(
        """() => {
            const deaf = event => event.stopImmediatePropagation();
            addEventListener('dragover', deaf, true);
            document.querySelector('#zone').addEventListener('dragenter', () => {
                setTimeout(() => removeEventListener('dragover', deaf, true), 200);
            });
        }"""
    )
    twin.drop(zone(page), files[0])
    assert site.submitted() == arrived(files[:1])


def test_a_page_that_changes_its_mind_at_the_drop_gets_nothing(
    twin: Twin, page: Any, site: FormSite, files: list[UploadedFile]
) -> None:
    page.goto(site.zone())
    page.evaluate(
        """() => {
            let overs = 0;
            addEventListener('dragover', event => {
                if (++overs % 2 === 0) Object.defineProperty(event, 'preventDefault', {value: () => {}});
            }, true);
        }"""
    )
    pages = len(twin.context.pages)
    with pytest.raises(AttachError, match="does not take what is dropped"):
        twin.drop(zone(page), files[0])
    assert "drop" not in [kind for _zone, kind, _trusted in heard(page)]
    page.wait_for_timeout(200)
    assert len(twin.context.pages) == pages


@pytest.mark.by_turns
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"path": "/nowhere/report.pdf"}, "no file that the browser can read"),
        ({"size": 1}, "of 1 bytes, but the browser found"),
        ({"sha256": "00" * 32}, "SHA-256"),
    ],
)
def test_what_is_not_right_is_not_dropped(
    twin: Twin, page: Any, site: FormSite, files: list[UploadedFile], change: dict[str, Any], says: str
) -> None:
    page.goto(site.zone())
    with pytest.raises(AttachError, match=f"{says}.*Nothing was dropped"):
        twin.drop(zone(page), files[1], attrs.evolve(files[0], **change))
    assert heard(page) == []


def test_files_of_one_name_are_not_dropped_together(
    twin: Twin, page: Any, site: FormSite, files: list[UploadedFile]
) -> None:
    page.goto(site.zone())
    with pytest.raises(AttachError, match=r"'report\.pdf' is the name of 2 of the files.*one after the other"):
        twin.drop(zone(page), [files[0], files[1], files[0]])
    assert heard(page) == []


@pytest.mark.parametrize("deaf", [0, 3], ids=["at once", "over a page that takes its time"])
def test_a_file_that_changes_on_the_way_does_not_reach_the_page(
    session: Session, site: FormSite, tmp_path: Path, deaf: int
) -> None:
    path = tmp_path / "changing.txt"
    path.write_bytes(b"original")
    assert session.cdp_url is not None
    with cdp(session.cdp_url) as browser:
        target = browser.send("Target.createTarget", url=site.zone())["targetId"]
        page = browser.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        while not browser.evaluate(page, "'heard' in window"):
            pass

        not_yet = "if (deaf) Object.defineProperty(event, 'preventDefault', {value: () => {}})"
        browser.evaluate(page, f"addEventListener('dragover', event => {{ {not_yet} }}, true); 0")
        rounds = iter(range(deaf, 0, -1))

        def send(method: str, params: dict[str, Any]) -> dict[str, Any]:
            if params.get("type") == "dragEnter" and browser.evaluate(page, f"window.deaf = {next(rounds, 0)}"):
                # Together longer than our guard stands without a sign of life.
                time.sleep(3.5)
            if params.get("type") == "drop":
                path.write_bytes(b"something else")
            return browser.send(method, page, **params)

        node = send("Runtime.evaluate", {"expression": "document.querySelector('#zone')"})["result"]
        with pytest.raises(AttachError, match=r"14 bytes.*heard of no drop"):
            drop_files(send, node, RemoteFile(str(path), 8))
        assert "drop" not in json.dumps(browser.evaluate(page, "heard"))
        path.write_bytes(b"original")
        drop_files(lambda method, params: browser.send(method, page, **params), node, RemoteFile(str(path), 8))
        assert site.submitted() == [Received("changing.txt", 8, hashlib.sha256(b"original").hexdigest())]
        browser.send("Target.closeTarget", targetId=target)


def test_the_events_of_a_page_s_own_go_where_it_sends_them(
    twin: Twin, page: Any, site: FormSite, files: list[UploadedFile]
) -> None:
    page.goto(site.zone())
    page.evaluate(
        """() => {
            const [one, other] = document.querySelectorAll('.zone');
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File(['own'], 'own.txt'));
            const own = new DragEvent('dragover', {dataTransfer, bubbles: true});
            one.addEventListener('dragenter', () => other.dispatchEvent(own));
        }"""
    )
    twin.drop(zone(page), files[0])
    assert site.submitted() == arrived(files[:1])
    assert heard(page) == [TAKEN[0], ["neighbour", "dragover", False], *TAKEN[1:]]


def test_who_gave_up_does_not_hold_up_what_is_no_file(
    twin: Twin, page: Any, site: FormSite, files: list[UploadedFile]
) -> None:
    page.goto(site.zone())
    session = page.context.new_cdp_session(page)

    def send(method: str, params: dict[str, Any]) -> Any:
        if params.get("type") == "drop":
            raise KeyboardInterrupt
        return session.send(method, params)

    node = session.send("Runtime.evaluate", {"expression": "document.querySelector('#zone')"})["result"]
    with pytest.raises(KeyboardInterrupt):
        drop_files(send, node, files[0])
    place = {
        "x": 50,
        "y": 150,
        "data": {"items": [{"mimeType": "text/plain", "data": "words"}], "dragOperationsMask": 1},
    }
    for kind in ("dragEnter", "dragOver", "dragCancel"):
        session.send("Input.dispatchDragEvent", {"type": kind, **place})
    session.detach()
    assert [event for event in heard(page) if event[0] == "neighbour"][:2] == [
        ["neighbour", "dragenter", True],
        ["neighbour", "dragover", True],
    ]


@pytest.mark.parametrize("other", ["#zone", "#neighbour"])
def test_who_drops_at_the_same_time_does_not_keep_the_files_from_the_page(
    twin: Twin, page: Any, site: FormSite, files: list[UploadedFile], other: str
) -> None:
    page.goto(site.zone())
    session = page.context.new_cdp_session(page)

    def node(selector: str) -> Any:
        return session.send("Runtime.evaluate", {"expression": f"document.querySelector('{selector}')"})["result"]

    def only_watch(method: str, params: dict[str, Any]) -> Any:
        if params.get("type") == "dragEnter":
            raise KeyboardInterrupt
        return session.send(method, params)

    def send(method: str, params: dict[str, Any]) -> Any:
        if params.get("type") == "drop":
            with pytest.raises(KeyboardInterrupt):
                drop_files(only_watch, node(other), files[1])
        return session.send(method, params)

    assert [each.name for each in drop_files(send, node("#zone"), files[0])] == [files[0].name]
    assert site.submitted() == arrived(files[:1])
    session.detach()


@pytest.mark.parametrize(("place", "asked"), [("beside-closed-iframe", True), ("same-origin", False)])
def test_frames_are_asked_for_only_where_some_are_in_shadow_trees_and_may_go_away_meanwhile(
    page: Any, site: FormSite, files: list[UploadedFile], place: str, asked: bool
) -> None:
    page.goto(site.zone(place))
    zone(page, place).wait_for()
    session = page.context.new_cdp_session(page)
    sent = []

    def send(method: str, params: dict[str, Any]) -> Any:
        sent.append(method)
        if method == "DOM.getFrameOwner":
            page.evaluate("host.remove()")
        return session.send(method, params)

    found = {"expression": "(window[0]?.document ?? document).querySelector('#zone')"}
    drop_files(send, session.send("Runtime.evaluate", found)["result"], files[0])
    session.detach()
    assert site.submitted() == arrived(files[:1])
    assert ("DOM.getFrameOwner" in sent) == asked


def test_what_is_dropped_and_what_it_is_dropped_on_can_be_named_wrongly(
    twin: Twin, page: Any, files: list[UploadedFile]
) -> None:
    with pytest.raises(AttachError, match="not an absolute path"):
        twin.drop(page.locator("#nowhere"), RemoteFile("report.pdf", 5), timeout=1)
    for position in [(1, 2, 3), (1,), {"x": 1, "y": 2}, "ab", (1, "2"), (float("nan"), 1)]:
        with pytest.raises(TypeError, match="position"):
            twin.drop(page.locator("#nowhere"), files[0], position=position, timeout=1)
