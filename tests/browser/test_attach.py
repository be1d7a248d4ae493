"""`attach` in a real Chromium: the web server behind the form says what really arrived."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest
from anyio.from_thread import start_blocking_portal

from anchor_uploads import AttachError, InvalidArgument, Session, UploadClient, UploadedFile
from anchor_uploads.cdp import AttachedFileReplaced, RemoteFile, set_input_files
from support.blocking import Blocking
from support.form_site import FormSite, Received

from .conftest import CONTENTS, IN_SHADOW, Hang, Twin, arrived, frame_of

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def directory(files: list[UploadedFile]) -> Path:
    """The session's uploads directory."""
    return Path(str(files[0].path)).parent


def field(page: Any, place: str = "main") -> Any:
    return frame_of(page, place).locator("input")


def submit(page: Any, place: str = "main") -> None:
    field(page, place).evaluate("input => { input.form.querySelector('button').click() }")
    if place not in ("same-origin", "cross-origin", "nested", *IN_SHADOW):
        # Else it goes there while the next test goes elsewhere.
        page.wait_for_url("**/submit")


LISTEN = """
input => {
  window.heard = [];
  for (const type of ['input', 'change', 'cancel'])
    input.addEventListener(type, event => heard.push([type, event.isTrusted, input.files.length]));
}
"""


@pytest.mark.by_turns
@pytest.mark.parametrize("count", [1, 2], ids=["one", "several"])
@pytest.mark.parametrize(
    "place", ["main", "same-origin", "cross-origin", "nested", "shadow", *IN_SHADOW, "hidden", "chooser", "detached"]
)
def test_the_form_delivers_the_files(
    twin: Twin, page: Any, site: FormSite, files: list[UploadedFile], place: str, count: int
) -> None:
    page.goto(site.url(place, "multiple" if count > 1 else ""))
    chosen = files[:count]
    target = twin.choose(page, "#open") if place in ("chooser", "detached") else field(page, place)
    if place in ("cross-origin", "nested"):
        # Raises for a frame that is not in a process of its own, and then this would show nothing.
        page.context.new_cdp_session(page.frames[1]).detach()

    attached = twin.attach(target, *chosen)

    assert [(each.name, each.size, each.sha256) for each in attached] == [
        (each.name, each.size, each.sha256) for each in arrived(chosen)
    ]
    if place != "detached":
        submit(page, place)
    assert site.submitted() == arrived(chosen)


def test_an_element_handle_and_a_closed_shadow_root_will_do(
    twin: Twin, own_page: Any, site: FormSite, files: list[UploadedFile]
) -> None:
    own_page.goto(site.url())
    twin.attach(own_page.query_selector("input"), files[0])
    submit(own_page)
    assert site.submitted() == arrived(files[:1])

    own_page.add_init_script(
        "const attach = Element.prototype.attachShadow;"
        "Element.prototype.attachShadow = function (options) { return window.root = attach.call(this, options) }"
    )
    own_page.goto(site.url("closed-shadow"))
    assert own_page.evaluate("root.mode") == "closed"
    twin.attach(own_page.evaluate_handle("root.querySelector('input')").as_element(), files[0])
    own_page.evaluate("root.querySelector('button').click()")
    assert site.submitted() == arrived(files[:1])


@pytest.mark.by_turns
@pytest.mark.parametrize("place", ["main", "hidden", "shadow"])
def test_the_events_are_trusted_and_come_once(
    twin: Twin, page: Any, site: FormSite, files: list[UploadedFile], place: str
) -> None:
    page.goto(site.url(place, "multiple"))
    field(page, place).evaluate(LISTEN)
    once = [["input", True, 2], ["change", True, 2]]
    twin.attach(field(page, place), *files)
    assert page.evaluate("heard") == once
    # A browser is silent about files that are chosen already, but this is a choice of its own.
    twin.attach(field(page, place), *files)
    assert page.evaluate("heard") == once * 2


TRACE = """
() => {
  const own = (object) => Reflect.ownKeys(object).map(String).sort();
  const host = document.querySelector('#host');
  const root = host ? host.shadowRoot : document;
  const input = root.querySelector('input');
  window.calls ??= (() => {
    const calls = [];
    const spy = (object, name) => {
      const original = object[name];
      object[name] = function (...all) { calls.push(name); return original.apply(this, all) };
    };
    for (const name of ['addEventListener', 'removeEventListener', 'dispatchEvent']) spy(EventTarget.prototype, name);
    for (const name of ['setAttribute', 'attachShadow', 'focus'])
      spy(name === 'focus' ? HTMLElement.prototype : Element.prototype, name);
    for (const name of ['createElement', 'querySelector', 'createEvent']) spy(Document.prototype, name);
    for (const name of ['log', 'debug', 'info', 'warn', 'error', 'dir']) spy(console, name);
    window.mutations = [];
    const all = { subtree: true, childList: true, attributes: true, characterData: true };
    const observer = new MutationObserver(records => mutations.push(...records.map(record => record.type)));
    observer.observe(document, all);
    if (host) observer.observe(root, all);
    for (const type of ['focusin', 'focus', 'blur', 'message', 'error', 'visibilitychange'])
      window.addEventListener(type, () => mutations.push(type), true);
    calls.length = 0;
    return calls;
  })();
  return new Promise(resolve => setTimeout(() => resolve({
    calls: calls.splice(0), mutations, markup: document.documentElement.outerHTML + root.innerHTML,
    window: own(window), document: own(document), input: own(input), host: host ? own(host) : [],
    prototype: own(HTMLInputElement.prototype), frames: window.length, active: document.activeElement.tagName,
  }), 20));
}
"""


@pytest.mark.by_turns
@pytest.mark.parametrize("place", ["main", "shadow"])
def test_no_trace_is_left(twin: Twin, page: Any, site: FormSite, files: list[UploadedFile], place: str) -> None:
    page.goto(site.url(place))
    # Playwright's own script for finding elements comes into the page with the first one that is looked for.
    field(page, place).element_handle()
    page.evaluate(TRACE)
    before = page.evaluate(TRACE)
    twin.attach(field(page, place), files[0])
    after = page.evaluate(TRACE)
    # An event that no listener of the page hears, which is how the element is found.
    assert [call for call in after.pop("calls") if call != "querySelector"] == ["dispatchEvent"]
    before.pop("calls")
    assert after == before
    assert after["mutations"] == []


@attrs.frozen
class Liar:
    """What must not work: the files, the input's attributes, and a word of the error."""

    files: Callable[[list[UploadedFile], Path], list[Any]]
    says: str
    attributes: str = ""


LIARS = {
    "missing path": Liar(lambda files, place: [RemoteFile(str(place / "missing.txt"), 5)], "NotFoundError"),
    "missing path, 0 bytes": Liar(lambda files, place: [RemoteFile(str(place / "missing.txt"), 0)], "NotFoundError"),
    "one of two missing": Liar(
        lambda files, place: [files[0], RemoteFile(str(place / "missing.txt"), 0)], "missing.txt", "multiple"
    ),
    "relative path": Liar(lambda files, place: [RemoteFile("report.pdf", 5)], "not an absolute path"),
    "directory": Liar(lambda files, place: [RemoteFile(str(place), place.stat().st_size)], "no file that"),
    "directory with a slash": Liar(lambda files, place: [RemoteFile(f"{place}/", 4096)], "does not name a file"),
    "truncated file": Liar(lambda files, place: [attrs.evolve(files[0], size=files[0].size + 1)], "10249 bytes"),
    "another name": Liar(lambda files, place: [attrs.evolve(files[0], name="other.pdf")], "'other.pdf' of"),
    "another content": Liar(lambda files, place: [attrs.evolve(files[0], sha256="0" * 64)], "SHA-256 000"),
    "no path": Liar(lambda files, place: [attrs.evolve(files[0], path=None)], "did not say where"),
    "a path as str": Liar(lambda files, place: [files[0].path], "pass what upload_file returned"),
    "nothing": Liar(lambda files, place: [], "no file was given"),
    "two on a single input": Liar(lambda files, place: files, "takes one file, not 2"),
    "disabled": Liar(lambda files, place: files[:1], "is disabled", "disabled"),
    "wrong accept": Liar(lambda files, place: files[:1], "accepts 'image/*,.txt'", "accept=image/*,.txt"),
    "second does not match accept": Liar(lambda files, place: files, "text/plain", "multiple accept=.pdf"),
    "directory input": Liar(lambda files, place: files[:1], "takes a directory", "webkitdirectory"),
}


@pytest.mark.by_turns
@pytest.mark.parametrize("liar", LIARS.values(), ids=LIARS)
def test_what_is_not_right_never_reaches_the_form(
    twin: Twin, page: Any, site: FormSite, files: list[UploadedFile], directory: Path, liar: Liar
) -> None:
    page.goto(site.url("main", liar.attributes))
    field(page).evaluate(LISTEN)
    with pytest.raises(AttachError, match=liar.says.replace("*", r"\*")) as caught:
        twin.attach(field(page), *liar.files(files, directory))
    assert "\n" not in str(caught.value)
    assert field(page).evaluate("input => input.files.length") == 0
    assert page.evaluate("heard") == []
    submit(page)
    assert site.submitted() == []


def test_the_error_has_what_was_expected_and_found(
    twin: Twin, page: Any, site: FormSite, files: list[UploadedFile]
) -> None:
    page.goto(site.url("main", "id=resume"))
    wrong = attrs.evolve(files[0], size=1)
    with pytest.raises(AttachError, match='<input type="file" id="resume" name="document">') as caught:
        twin.attach(field(page), wrong)
    assert [(file.path, file.size) for file in caught.value.expected] == [(wrong.path, 1)]
    assert [(file.name, file.size) for file in caught.value.found] == [(wrong.name, files[0].size)]


def test_an_error_leaves_what_the_input_had(twin: Twin, page: Any, site: FormSite, files: list[UploadedFile]) -> None:
    page.goto(site.url())
    twin.attach(field(page), files[1])
    with pytest.raises(AttachError, match="not touched"):
        twin.attach(field(page), attrs.evolve(files[0], size=1))
    submit(page)
    assert site.submitted() == arrived(files[1:])


@pytest.mark.by_turns
@pytest.mark.parametrize(
    ("html", "says"),
    [
        ("<button>Choose</button>", "<button> is not an <input type=file>"),
        ("<input id=x>", '<input id="x"> is not an <input type=file>'),
        (f"<input id={'x' * 500}>", '^<input id="x{109}…> is not an <input type=file>'),
        ("<svg></svg>", "not an HTML element"),
        ("<fieldset disabled><input type=file></fieldset>", "is disabled"),
    ],
)
def test_what_is_no_input_for_files_is_refused(
    twin: Twin, page: Any, files: list[UploadedFile], html: str, says: str
) -> None:
    page.set_content(html)
    with pytest.raises(AttachError, match=says):
        twin.attach(page.locator("button, input, svg"), files[0])


def test_an_input_that_the_page_replaced_is_refused(twin: Twin, page: Any, files: list[UploadedFile]) -> None:
    page.set_content("<input type=file>")
    handle = page.query_selector("input")
    page.set_content("<input type=file>")
    with pytest.raises(AttachError, match=r"no longer in the page|find the element again"):
        twin.attach(handle, files[0])


@pytest.mark.by_turns
@pytest.mark.parametrize(
    ("html", "pointed_at"),
    [
        ("<label for=cv>Resume</label><p><input id=cv type=file multiple>", "label"),
        ("<label>Resume <input id=cv type=file multiple></label>", "label"),
        ("<label for=cv><b>Choose</b> a file</label><input hidden id=cv type=file multiple>", "b"),
        ("<label><span><i>+</i></span><input style='display: none' type=file multiple></label>", "i"),
    ],
)
def test_a_label_leads_to_its_input_and_lists_are_files(
    twin: Twin, page: Any, files: list[UploadedFile], html: str, pointed_at: str
) -> None:
    page.set_content(html)
    twin.attach(page.locator(pointed_at), files)
    assert page.evaluate(READ) == [file.name for file in files]
    twin.attach(page.locator(pointed_at), files[0], tuple(files[1:]))
    assert page.evaluate(READ) == [file.name for file in files]


READ = "() => Array.from(document.querySelector('input').files, file => file.name)"


@pytest.mark.by_turns
@pytest.mark.parametrize("html", ["<label>Name <input></label>", "<label>Nothing</label>", "<label for=x>Away</label>"])
def test_a_label_of_something_else_is_refused(twin: Twin, page: Any, files: list[UploadedFile], html: str) -> None:
    page.set_content(html)
    with pytest.raises(AttachError, match=r"<label.*> is not an <input type=file>"):
        twin.attach(page.locator("label"), files[0])


@pytest.mark.by_turns
@pytest.mark.parametrize(
    ("target", "says"),
    [
        (lambda page: page, r"pass one of its elements, such as page\.locator\('input\[type=file\]'\)"),
        (lambda page: page.main_frame, r"pass one of its elements"),
        (lambda page: "#cv", r"such as page\.locator\('#cv'\)"),
        (lambda page: None, "pass a Locator, an ElementHandle or a FileChooser"),
    ],
    ids=["page", "frame", "selector", "nothing"],
)
def test_what_is_no_element_is_an_error_that_says_what_to_pass_before_a_byte_is_sent(
    twin: Twin,
    page: Any,
    files: list[UploadedFile],
    client: UploadClient,
    target: Callable[[Any], Any],
    says: str,
) -> None:
    for give in (twin.attach, twin.drop):
        with pytest.raises(TypeError, match=says):
            give(target(page), "#cv", files[0])
    with pytest.raises(TypeError, match=says):
        twin.upload_and_attach(client, "no session", target(page), b"", filename="a")


@pytest.mark.by_turns
@pytest.mark.parametrize("timeout", [0, -1.5, float("nan"), True, None, "5"])
def test_a_timeout_that_is_no_positive_number_is_refused_before_anything_is_done(
    twin: Twin, page: Any, files: list[UploadedFile], client: UploadClient, timeout: Any
) -> None:
    element = page.locator("#none")
    says = f"the timeout must be a positive number of seconds, not {timeout!r}"
    for give in (twin.attach, twin.drop):
        with pytest.raises(InvalidArgument, match=says):
            give(element, files[0], timeout=timeout)
    with pytest.raises(InvalidArgument, match=says):
        twin.upload_and_attach(client, "no session", element, b"", filename="a", attach_timeout=timeout)


def test_a_timeout_may_be_longer_than_a_driver_can_count(twin: Twin, page: Any, files: list[UploadedFile]) -> None:
    page.set_content("")
    page.evaluate("setTimeout(() => { document.body.innerHTML = '<input type=file>' }, 500)")
    assert twin.attach(field(page), files[0], timeout=float("inf"))[0].size == files[0].size


def test_accept_can_be_ignored_and_several_names_can_be_equal(
    twin: Twin, page: Any, site: FormSite, files: list[UploadedFile], directory: Path
) -> None:
    (directory / "below").mkdir(exist_ok=True)
    path = directory / "below" / files[0].name
    path.write_bytes(CONTENTS[files[0].name])
    page.goto(site.url("main", "multiple accept=image/*"))
    twin.attach(field(page), files[0], RemoteFile(str(path), files[0].size), ignore_accept=True)
    submit(page)
    assert site.submitted() == arrived([files[0], files[0]])


@pytest.mark.by_turns
@pytest.mark.parametrize("accept", ["application/pdf", ".doc, .PDF", "image/*;capture=camera"])
def test_accept_is_read_as_the_standard_says(
    twin: Twin, page: Any, site: FormSite, files: list[UploadedFile], accept: str
) -> None:
    page.goto(site.url("main", f'accept="{accept}"'))
    twin.attach(field(page), files[0])


def test_an_empty_file_is_a_file(twin: Twin, page: Any, site: FormSite, client: UploadClient, session: Session) -> None:
    empty = client.upload_file(session.id, b"", filename="empty.txt", checksum=True)
    page.goto(site.url())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AttachedFileReplaced)
        twin.attach(field(page), empty)
    submit(page)
    assert site.submitted() == [Received("empty.txt", 0, hashlib.sha256(b"").hexdigest())]


@pytest.mark.by_turns
@pytest.mark.parametrize("handler", ["this.form.submit()", "location = 'about:blank'", "document.write('thanks')"])
def test_a_page_may_react_at_once(
    twin: Twin, own_page: Any, site: FormSite, files: list[UploadedFile], handler: str
) -> None:
    own_page.goto(site.url("main", f'onchange="{handler}"'))
    assert twin.attach(field(own_page), files[0])[0].size == files[0].size
    if "submit" in handler:
        assert site.submitted() == arrived(files[:1])


def test_a_frame_may_remove_itself(twin: Twin, page: Any, site: FormSite, files: list[UploadedFile]) -> None:
    page.goto(site.url("same-origin", 'onchange="frameElement.remove()"'))
    assert twin.attach(field(page, "same-origin"), files[0])[0].size == files[0].size


def test_no_hash_where_pages_may_not_hash(twin: Twin, page: Any, files: list[UploadedFile]) -> None:
    page.route("http://plain.invalid/", lambda route: route.fulfill(body="<input type=file>", content_type="text/html"))
    page.goto("http://plain.invalid/")
    assert twin.attach(page.locator("input"), files[0])[0].sha256 is None


def test_a_file_that_changes_in_the_last_moment_does_not_reach_the_page(
    twin: Twin, page: Any, site: FormSite, directory: Path
) -> None:
    """`set_input_files` over any sender; this one spoils the file between the trial and the page's own input."""
    path = directory / "restless.txt"
    path.write_text("complete")
    page.goto(site.url())
    field(page).evaluate(LISTEN)
    cdp = page.context.new_cdp_session(page)
    sent = []

    def send(method: str, params: dict[str, Any]) -> Any:
        sent.append(method)
        if sent.count("DOM.setFileInputFiles") == 2 and method == "DOM.setFileInputFiles":
            path.unlink()
        return cdp.send(method, params)

    node = cdp.send("Runtime.evaluate", {"expression": "document.querySelector('input')"})["result"]
    with pytest.raises(AttachError, match=r"but the browser found 'restless.txt' of 0 bytes.* The input is empty now"):
        set_input_files(send, node, RemoteFile(str(path), 8))
    cdp.detach()
    assert field(page).evaluate("input => input.files.length") == 0
    assert page.evaluate("heard") == []


def test_who_gave_up_does_not_hold_up_a_later_choice(
    twin: Twin, page: Any, site: FormSite, files: list[UploadedFile]
) -> None:
    page.goto(site.url())
    field(page).evaluate(LISTEN)
    cdp = page.context.new_cdp_session(page)
    sent = []

    def send(method: str, params: dict[str, Any]) -> Any:
        sent.append(method)
        if sent.count("DOM.setFileInputFiles") == 2:
            raise KeyboardInterrupt
        return cdp.send(method, params)

    node = cdp.send("Runtime.evaluate", {"expression": "document.querySelector('input')"})["result"]
    with pytest.raises(KeyboardInterrupt):
        set_input_files(send, node, files[0])
    # As a page that fills its input by itself, and says so.
    own = """(input, name) => {
        const own = new DataTransfer();
        own.items.add(new File(['own'], name));
        input.files = own.files;
        input.dispatchEvent(new Event('change', {bubbles: true}));
    }"""
    field(page).evaluate(own, files[0].name)
    assert page.evaluate("heard.splice(0)") == [["change", False, 1]]
    # As another program would choose, or the person who watches.
    cdp.send("DOM.setFileInputFiles", {"files": [files[1].path], "objectId": node["objectId"]})
    cdp.detach()
    assert page.evaluate("heard") == [["input", True, 1], ["change", True, 1]]
    submit(page)
    assert site.submitted() == arrived(files[1:])


def test_60_mib_where_playwright_refuses(
    twin: Twin, page: Any, site: FormSite, client: UploadClient, session: Session, tmp_path: Path
) -> None:
    from playwright.sync_api import Error

    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.truncate(60 * MIB)
    page.goto(site.url())
    # The day on which this does not raise any more, half of the reason for attach() is gone.
    with pytest.raises(Error, match=r"50\s?M"):
        field(page).set_input_files(large)

    uploaded = client.upload_file(session.id, large, checksum=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AttachedFileReplaced)
        attached = twin.attach(field(page), uploaded)
    assert attached[0].sha256 == uploaded.sha256
    submit(page)
    assert site.submitted() == [Received("large.bin", 60 * MIB, str(uploaded.sha256))]


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system with holes")
def test_2_gib_are_attached_without_being_read(twin: Twin, page: Any, site: FormSite, directory: Path) -> None:
    huge = directory / "huge.bin"
    with huge.open("wb") as file:
        file.truncate(2048 * MIB)
    page.goto(site.url())
    # Who read it would find that this is not its SHA-256.
    attached = twin.attach(field(page), RemoteFile(str(huge), 2048 * MIB, sha256="0" * 64))
    assert (attached[0].size, attached[0].sha256) == (2048 * MIB, None)
    huge.unlink()


def test_upload_and_attach(twin: Twin, page: Any, site: FormSite, client: UploadClient, session: Session) -> None:
    page.goto(site.url())
    name = f"{twin.name}.txt"
    uploaded = twin.upload_and_attach(
        client, session.id, field(page), b"in one go", filename=name, checksum=True, attach_timeout=20
    )
    assert isinstance(uploaded, UploadedFile)
    submit(page)
    assert site.submitted() == [Received(name, 9, hashlib.sha256(b"in one go").hexdigest())]


def test_accept_holds_unless_it_is_to_be_ignored(
    twin: Twin, page: Any, site: FormSite, files: list[UploadedFile], client: UploadClient, session: Session
) -> None:
    page.goto(site.url("main", "multiple accept=image/*"))
    with pytest.raises(AttachError, match="ignore_accept=True"):
        twin.attach(field(page), files[0])
    with pytest.raises(AttachError, match="ignore_accept=True"):
        twin.upload_and_attach(client, session.id, field(page), b"x", filename=f"{twin.name}.pdf")


def test_uploading_again_what_a_page_may_still_hold_is_a_warning(
    twin: Twin, page: Any, site: FormSite, client: UploadClient, session: Session
) -> None:
    name = f"again-{twin.name}.txt"
    first = client.upload_file(session.id, b"first", filename=name)
    page.goto(site.url())
    twin.attach(field(page), first)
    twin.attach(field(page), first)
    second = client.upload_file(session.id, b"other", filename=name)
    assert field(page).evaluate("input => input.files[0].text().catch(error => error.name)") == "NotReadableError"
    with pytest.warns(AttachedFileReplaced, match=r"filename=") as seen:
        twin.attach(field(page), second)
    assert len(seen) == 1
    twin.attach(field(page), second)
    submit(page)
    assert site.submitted() == [Received(name, 5, hashlib.sha256(b"other").hexdigest())]


def test_an_element_that_does_not_come_is_an_error_in_time(
    twin: Twin, page: Any, site: FormSite, files: list[UploadedFile]
) -> None:
    page.goto(site.url())
    started = time.monotonic()
    with pytest.raises(AttachError, match="#nowhere"):
        twin.attach(page.locator("#nowhere"), files[0], timeout=0.3)
    with pytest.raises(AttachError, match="strict mode"):
        twin.attach(page.locator("*"), files[0])
    assert time.monotonic() - started < 5


def test_what_cannot_be_right_is_no_reason_to_wait_for_an_element(twin: Twin, page: Any) -> None:
    with pytest.raises(AttachError, match="not an absolute path"):
        twin.attach(page.locator("#nowhere"), RemoteFile("report.pdf", 5), timeout=1)


@pytest.mark.parametrize("when", ["before", "in the change event"])
def test_a_page_that_hangs_is_an_error_in_time(
    twin: Twin, page: Any, site: FormSite, files: list[UploadedFile], hang: Hang, when: str
) -> None:
    page.goto(site.url())
    handle = page.query_selector("input")
    if when == "before":
        page.evaluate(f"() => {{ setTimeout(() => {hang.script}) }}")
        hang.begun()
    else:
        handle.evaluate(f"input => {{ input.onchange = () => {hang.script} }}")
    with pytest.raises(AttachError, match=r"within 0\.3 seconds"):
        twin.attach(handle, files[0], timeout=0.3)
    hang.close()
    # And both are well again.
    handle.evaluate("input => { input.onchange = null }")
    twin.attach(handle, files[1])
    submit(page)
    assert site.submitted() == arrived(files[1:])


def test_a_handler_of_file_choosers_may_attach(site: FormSite, session: Session, files: list[UploadedFile]) -> None:
    from playwright.async_api import async_playwright

    from anchor_uploads.playwright import attach_async

    async def main() -> None:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.connect_over_cdp(str(session.cdp_url))
            page = await browser.contexts[0].new_page()
            await page.goto(site.url("detached", "multiple"))
            page.on("filechooser", lambda chooser: attach_async(chooser, *files))
            await page.click("#open")
            assert await asyncio.to_thread(site.submitted) == arrived(files)
            await page.close()

    with start_blocking_portal("asyncio") as portal:
        portal.call(main)


def test_who_is_cancelled_closes_its_cdp_session_all_the_same(
    site: FormSite, session: Session, files: list[UploadedFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    from playwright.async_api import CDPSession, async_playwright

    from anchor_uploads.playwright import attach_async

    scopes: list[anyio.CancelScope] = []
    closed = []
    send, detach = CDPSession.send, CDPSession.detach

    async def send_until_cancelled(cdp: CDPSession, method: str, params: Any = None) -> Any:
        if method == "DOM.setFileInputFiles":
            scopes[0].cancel()
            await anyio.sleep_forever()
        return await send(cdp, method, params)

    async def detach_and_tell(cdp: CDPSession) -> None:
        await detach(cdp)
        closed.append(cdp)

    async def main() -> None:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.connect_over_cdp(str(session.cdp_url))
            page = await browser.contexts[0].new_page()
            await page.goto(site.url())
            with anyio.CancelScope() as scope:
                scopes.append(scope)
                await attach_async(page.locator("input"), files[0])
            assert scope.cancelled_caught
            await page.close()

    monkeypatch.setattr(CDPSession, "send", send_until_cancelled)
    monkeypatch.setattr(CDPSession, "detach", detach_and_tell)
    with start_blocking_portal("asyncio") as portal:
        portal.call(main)
    assert len(closed) == 1


@attrs.frozen
class WebElement:
    """What of Selenium's class of this name is asked for."""

    id: str


def test_nothing_but_a_sender_of_commands_is_needed(
    site: FormSite, session: Session, files: list[UploadedFile]
) -> None:
    """As `driver.execute_cdp_cmd` of Selenium, which has the same two parameters and is just as synchronous."""
    from websockets.sync.client import connect

    with connect(str(session.cdp_url), max_size=None) as socket:
        number = 0
        target: dict[str, str] = {}

        def execute_cdp_cmd(cmd: str, cmd_args: dict[str, Any]) -> Any:
            nonlocal number
            number += 1
            socket.send(json.dumps({"id": number, "method": cmd, "params": cmd_args, **target}))
            while (reply := json.loads(socket.recv(timeout=20))).get("id") != number:
                pass
            return reply["result"]

        page = execute_cdp_cmd("Target.createTarget", {"url": site.url("same-origin", "multiple")})["targetId"]
        attached = execute_cdp_cmd("Target.attachToTarget", {"targetId": page, "flatten": True})
        target["sessionId"] = attached["sessionId"]
        node: dict[str, Any] = {}
        deadline = time.monotonic() + 10
        while "objectId" not in node and time.monotonic() < deadline:
            found = "window[0]?.document.querySelector('input')"
            node = execute_cdp_cmd("Runtime.evaluate", {"expression": found})["result"]
        number_of = execute_cdp_cmd("DOM.describeNode", {"objectId": node["objectId"]})["node"]["backendNodeId"]
        for element in (node, WebElement(f"f.{page}.d.0123456789ABCDEF.e.{number_of}")):
            set_input_files(execute_cdp_cmd, element, *files)
        for element in (WebElement("0b5c1f2e-uuid"), "#cv", None):
            with pytest.raises(AttachError, match="WebElement of Selenium"):
                set_input_files(execute_cdp_cmd, element, *files)  # type: ignore[arg-type]
        click = "function () { this.form.querySelector('button').click() }"
        execute_cdp_cmd("Runtime.callFunctionOn", {"functionDeclaration": click, "objectId": node["objectId"]})
        assert site.submitted() == arrived(files)
        execute_cdp_cmd("Target.closeTarget", {"targetId": page})


@pytest.mark.parametrize("name", ["attach", "drop", "upload_and_attach"])
def test_the_wrong_one_of_the_twins_says_so_before_a_byte_is_sent(
    twin: Twin, page: Any, files: list[UploadedFile], name: str
) -> None:
    from anchor_uploads import playwright as ours

    locator = page.locator("input")
    theirs = getattr(locator, "it", locator)
    wrong, right = (f"{name}_async", name) if theirs is locator else (name, f"{name}_async")
    # There is no client to upload with.
    before = (None, "no session") if name == "upload_and_attach" else ()
    with pytest.raises(TypeError, match=f"use {right} "):
        called = getattr(ours, wrong)(*before, theirs, files[0])
        # Not asyncio.run(): Playwright's sync API has a running loop here.
        called.send(None)


def test_its_cdp_session_is_closed_whatever_happens(
    twin: Twin, page: Any, site: FormSite, files: list[UploadedFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    import playwright.async_api
    import playwright.sync_api
    from playwright.sync_api import Error

    kind: Any = getattr(playwright, f"{twin.name}_api").BrowserContext
    original = kind.new_cdp_session
    opened = []

    def new_cdp_session(context: Any, frame: Any) -> Any:
        session = original(context, frame)
        opened.append(session)
        return session

    async def new_cdp_session_async(context: Any, frame: Any) -> Any:
        session = await original(context, frame)
        opened.append(Blocking(session, page.portal))
        return session

    monkeypatch.setattr(kind, "new_cdp_session", new_cdp_session_async if twin.name == "async" else new_cdp_session)
    page.goto(site.url())
    twin.attach(field(page), files[0])
    with pytest.raises(AttachError):
        twin.attach(field(page), attrs.evolve(files[0], size=1))
    assert len(opened) == 2
    for session in opened:
        with pytest.raises(Error, match="closed"):
            session.send("Page.getFrameTree")
