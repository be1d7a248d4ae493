"""Names that people give to files: refused before anything is sent, or the same at every stop, the page's the last."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from anchor_uploads import BadRequest, SourceError, UploadClient, UploadedFile
from anchor_uploads.cdp import set_input_files
from anchor_uploads.local import LocalServer, find_browser
from support import names, node, parsers
from support.plain_cdp import cdp
from support.raw_server import RawServer
from support.twins import SESSION
from trials.trial import KEY, LeftOut, Trial, hold, outcome_of, sha256

_INPUT = "document.body.appendChild(Object.assign(document.createElement('input'), {type: 'file', multiple: true}))"
_READ = (
    "Promise.all([...document.querySelector('input:last-of-type').files].map(async it => [it.name, await it.text()]))"
)
_AT_ONCE = 200


@contextmanager
def _anchor() -> Iterator[LocalServer]:
    with LocalServer(api_key=KEY, browser=find_browser() is not None) as anchor:
        yield anchor


def names_of_our_list(trial: Trial) -> int:
    return _through_all_stops(trial, names.own())


def naughty_strings(trial: Trial) -> int:
    try:
        listed = names.naughty()
    except node.NodeMissing as missing:
        raise LeftOut(f"the Big List of Naughty Strings: {missing}") from None
    return _through_all_stops(trial, trial.random.sample(listed, len(listed)))


def names_by_chance(trial: Trial) -> int:
    chance = trial.random
    planes = [(1, 0x7F), (0x80, 0x2FF), (0x300, 0xD7FF), (0xD800, 0xDFFF), (0xE000, 0xFFFF), (0x10000, 0x10FFFF)]

    def name() -> str:
        plane = chance.choice(planes)
        length = chance.choice([1, 2, 5, 20, 63, 64, 65, 127, 128, 254, 255, 256])
        return "".join(chr(chance.randint(*chance.choice([plane, planes[0]]))) for _ in range(length))

    return _through_all_stops(trial, [name() for _ in range(_AT_ONCE)])


def _through_all_stops(trial: Trial, listed: list[str]) -> int:
    listed = list(dict.fromkeys(listed))[: 60 if trial.quick else None]
    _through_parsers(listed)
    _through_disk_and_page(trial, listed)
    return len(listed)


def _through_parsers(listed: list[str]) -> None:
    with RawServer() as server, UploadClient(api_key=KEY, base_url=server.base_url) as client:
        sent = [
            name
            for name in listed
            if isinstance(outcome_of(client.upload_file, SESSION, b"x", filename=name), UploadedFile)
        ]
        for name, request in zip(sent, server.requests, strict=True):
            body = request.headers["content-type"], bytes(request.body)
            expected = [parsers.Part("file", name, 1, sha256(b"x"))]
            hold(parsers.werkzeug(*body) == expected, f"to werkzeug {name!r} is another name")
            read = [parsers.Part(it.field, it.filename.replace("%22", '"'), it.size, it.sha256)
                    for it in parsers.python_multipart(*body)]  # fmt: skip
            hold(read == expected, f"to python-multipart {name!r} is another name")


def _through_disk_and_page(trial: Trial, listed: list[str]) -> None:
    anchor = trial.scene.shared(_anchor)
    with UploadClient(api_key=KEY, base_url=anchor.base_url) as client, client.session() as session:
        uploaded: list[UploadedFile] = []
        for name in listed:
            outcome = outcome_of(client.upload_file, session, name.encode("utf-8", "replace"), filename=name)
            if isinstance(outcome, UploadedFile):
                uploaded.append(outcome)
            else:
                # Windows and macOS have names that are none, or another's.
                hold(isinstance(outcome, (SourceError, BadRequest)), f"{name!r}: {outcome!r}")
                hold(isinstance(outcome, SourceError) or not _plain(name), f"{name!r} was sent and refused: {outcome}")
        arrived = {it.name: it.read_bytes() for it in anchor.uploads(session.id)}
        expected = {it.name: it.name.encode() for it in uploaded}
        hold(arrived == expected, f"the disk has other names or contents: {_differing(arrived, expected)}")
        if session.cdp_url is None or find_browser() is None:
            raise LeftOut("the page: no Chrome, Chromium or Edge here")
        with cdp(session.cdp_url) as browser:
            page = browser.page()
            element = browser.send("Runtime.evaluate", page, expression=_INPUT)["result"]
            set_input_files(lambda method, params: browser.send(method, page, **params), element, *uploaded)
            answer = browser.send("Runtime.evaluate", page, expression=_READ, awaitPromise=True, returnByValue=True)
            # To the page's own reading a mark of the byte order is none of the text.
            seen = [(name, text.removeprefix("\ufeff")) for name, text in answer["result"]["value"]]
            hold(seen == [(it.name, it.name.removeprefix("\ufeff")) for it in uploaded], "the page has other names")


def _plain(name: str) -> bool:
    return all(unicodedata.category(sign)[0] in "LN" for sign in name) and name.isascii()


def _differing(some: dict[str, bytes], others: dict[str, bytes]) -> list[Any]:
    return sorted(some.items() ^ others.items())[:3]


TRIALS = (names_by_chance, names_of_our_list, naughty_strings)
