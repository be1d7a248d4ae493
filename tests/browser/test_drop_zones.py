"""`drop` on the drop zones of real libraries, with their own handlers, and beside Playwright's own `Locator.drop`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anchor_uploads import AttachError, Session, UploadClient, UploadedFile
from support.counting_relay import CountingRelay
from support.drop_zones import LIBRARIES, drop_zone_pages
from support.form_site import FormSite, Received
from support.node import NodeMissing

from .conftest import arrived

MIB = 1024 * 1024
KINDS = ["dragenter", "dragover", "drop"]


@pytest.fixture(scope="module")
def page(playwright: Any, session: Session) -> Iterator[Any]:
    browser = playwright.chromium.connect_over_cdp(str(session.cdp_url))
    page = browser.contexts[0].new_page()
    page.set_default_timeout(30_000)
    yield page
    page.close()
    browser.close()


@pytest.fixture(scope="module")
def zones(site: FormSite) -> dict[str, str]:
    """The address of each library's page."""
    try:
        pages = drop_zone_pages()
    except NodeMissing as missing:
        pytest.skip(str(missing))
    return {library: site.put(LIBRARIES[library], html) for library, html in pages.items()}


LISTEN = """
types => {
  window.heard = [];
  for (const type of types)
    window.addEventListener(type, event => heard.push([event.type, event.isTrusted]), true);
}
"""


def opened(page: Any, address: str) -> Any:
    """The zone of the page there, which has no files yet."""
    page.goto(address)
    zone = page.get_by_test_id("zone")
    zone.wait_for()
    page.evaluate(LISTEN, KINDS)
    return zone


def received(page: Any, count: int = 1) -> list[Received]:
    """What the library handed to its user, once that is so many files."""
    page.wait_for_function("count => received.length >= count", arg=count)
    digests = page.evaluate(
        """() => Promise.all(files.map(async file =>
             Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', await file.arrayBuffer())))))"""
    )
    names_and_sizes = page.evaluate("received")
    return [Received(**each, sha256=bytes(digest).hex()) for each, digest in zip(names_and_sizes, digests, strict=True)]


def heard(page: Any) -> set[tuple[str, bool]]:
    """The kinds of events of a drag that the page had, and whether they were trusted."""
    return {(kind, trusted) for kind, trusted in page.evaluate("heard")}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("count", [1, 2], ids=["one", "several"])
def test_the_library_hands_over_the_files(
    page: Any, zones: dict[str, str], files: list[UploadedFile], library: str, count: int
) -> None:
    from anchor_uploads.playwright import drop

    drop(opened(page, zones[library]), *files[:count])

    assert received(page, count) == arrived(files[:count])


def test_the_events_are_trusted_where_playwrights_are_not(
    page: Any, zones: dict[str, str], files: list[UploadedFile]
) -> None:
    from anchor_uploads.playwright import drop

    drop(opened(page, zones["react-dropzone"]), files[0])
    received(page)
    assert heard(page) == {(kind, True) for kind in KINDS}

    opened(page, zones["react-dropzone"]).drop({"files": {"name": "a.txt", "mimeType": "text/plain", "buffer": b"a"}})
    received(page)
    assert heard(page) == {(kind, False) for kind in KINDS}


def test_60_mib_where_playwright_refuses(
    page: Any, zones: dict[str, str], client: UploadClient, session: Session, tmp_path: Path
) -> None:
    from playwright.sync_api import Error

    from anchor_uploads.playwright import drop

    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.truncate(60 * MIB)
    target = opened(page, zones["react-dropzone"])
    # The day on which this does not raise any more, half of the reason for drop() is gone.
    with pytest.raises(Error, match=r"50\s?M"):
        target.drop({"files": large})

    uploaded = client.upload_file(session.id, large, checksum=True)
    drop(target, uploaded)
    assert received(page) == [Received("large.bin", 60 * MIB, str(uploaded.sha256))]
    assert heard(page) == {(kind, True) for kind in KINDS}


def test_no_byte_of_a_file_goes_to_the_browser_again_where_playwright_sends_them_all(
    playwright: Any, zones: dict[str, str], client: UploadClient, session: Session, tmp_path: Path
) -> None:
    from anchor_uploads.playwright import drop

    path = tmp_path / "four.bin"
    path.write_bytes(bytes(range(256)) * (4 * MIB // 256))
    uploaded = client.upload_file(session.id, path, checksum=True)
    once = [Received("four.bin", 4 * MIB, str(uploaded.sha256))]
    with CountingRelay(str(session.cdp_url)) as relay:
        browser = playwright.chromium.connect_over_cdp(relay.url)
        page = browser.contexts[0].new_page()

        target, before = opened(page, zones["react-dropzone"]), relay.sent
        drop(target, uploaded)
        assert received(page) == once
        assert relay.sent - before < MIB

        target, before = opened(page, zones["react-dropzone"]), relay.sent
        target.drop({"files": path})
        assert received(page) == once
        assert relay.sent - before > 4 * MIB

        page.close()
        browser.close()


OVERLAY = """
<!doctype html><meta charset=utf-8><title>overlay</title><link rel=icon href=data:,>
<div data-testid=zone style="height: 200px">Drag files here</div>
<div id=overlay hidden style="position: fixed; inset: 0">Drop them now</div>
<script>
  window.received = [];
  window.files = [];
  const appear = () => { overlay.hidden = false };
  document.addEventListener(WHEN);
  overlay.addEventListener('dragover', (event) => event.preventDefault());
  overlay.addEventListener('drop', (event) => {
    event.preventDefault();
    overlay.hidden = true;
    files.push(...event.dataTransfer.files);
    received.push(...Array.from(event.dataTransfer.files, ({ name, size }) => ({ name, size })));
  });
</script>
"""


@pytest.mark.parametrize(
    "when",
    {
        "in dragenter": "'dragenter', appear",
        "in dragover": "'dragover', appear",
        "rendered in a later task": "'dragenter', () => setTimeout(appear, 20)",
        "faded in": "'dragenter', () => setTimeout(appear, 100)",
    }.items(),
    ids=lambda each: each[0],
)
def test_a_zone_may_come_under_the_pointer_while_it_drags(
    page: Any, site: FormSite, files: list[UploadedFile], when: tuple[str, str]
) -> None:
    """As where a whole page takes files, which shows so only then; the files go where the caller says, not to it."""
    from anchor_uploads.playwright import drop

    zone = opened(page, site.put("overlay", OVERLAY.replace("WHEN", when[1])))
    with pytest.raises(AttachError, match=r'<div id="overlay"> stands in front.*drop the files on the body'):
        drop(zone, *files)
    page.reload()
    drop(page.locator("body"), *files)

    assert [each.name for each in received(page, 2)] == [file.name for file in files]
