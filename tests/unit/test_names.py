"""Which name and type a thing has by itself, and what is said of a URL in an error."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from anchor_uploads import SourceError
from anchor_uploads._sources.media_types import media_type_of
from anchor_uploads._sources.names import check_name, own_name, without_secrets


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("dir/a.txt", "a.txt"),
        (Path("dir/a.txt"), "a.txt"),
        ("s3://bucket/dir/INV#7?v=1&x=%20.pdf", "INV#7?v=1&x=%20.pdf"),
        ("memory://a%2Fb.txt", "a%2Fb.txt"),
        ("https://user:secret@h:8/dir/a%20b.csv?sig=secret/x#y/z", "a b.csv"),
        ("HTTPS://h/a.csv#top", "a.csv"),
        ("https://h", ""),
        ("https://h/", ""),
        ("https://h/%FF.csv", "\udcff.csv"),
        ("simplecache::https://h/a.csv?x=/b", "a.csv"),
        ("zip://in/inner.csv::s3://bucket/box.zip", "inner.csv"),
        ("filecache::zip://in/inner.csv::https://h/box.zip?sig=x", "inner.csv"),
        (SimpleNamespace(name="/tmp/a.txt"), "a.txt"),
        (SimpleNamespace(name=b"/tmp/\xc3\xa9.txt"), "é.txt"),
        (SimpleNamespace(name="field", filename="a.txt"), "a.txt"),
        (SimpleNamespace(name="field", filename=None), None),
        (SimpleNamespace(name="field", filename=""), None),
        (SimpleNamespace(name=3), None),
        (SimpleNamespace(name=""), None),
        (SimpleNamespace(name="<stdin>"), None),
        (SimpleNamespace(name="box.tar", fileobj=SimpleNamespace(name="box.tar")), None),
        ("dir/\ud800.txt", "\ud800.txt"),
        (b"x", None),
    ],
)
def test_the_name_that_a_thing_has_by_itself(file: Any, name: str | None) -> None:
    assert own_name(file) == name


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (None, "has no file name of its own"),
        ("", "is not a file's name"),
        (".", "is not a file's name"),
        ("..", "is not a file's name"),
        ("a/b", "holds a path separator"),
        ("a\\b", "holds a path separator"),
        ("a\x85b", "holds a control character"),
        ("a\ud800", "cannot be written as UTF-8"),
        ("é" * 128, "is longer than 255 bytes"),
        ("a%22b", "holds %22, which"),
        ("a%0db", "holds %0d, which"),
    ],
)
def test_a_name_that_cannot_be_sent_is_refused(name: str | None, problem: str) -> None:
    with pytest.raises(SourceError, match=f"^it.*{problem}.*; give a name") as caught:
        check_name(name, label="it", remedy="give a name")
    assert (repr(name) in str(caught.value)) == (name is not None)


@pytest.mark.parametrize("name", ["...", "é" * 127 + "b", "a b", "a%2", "a%220".replace("%22", "%21"), "☃.txt"])
def test_any_other_name_is_sent_as_it_is(name: str) -> None:
    assert check_name(name, label="it") is name


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@h:8/a.csv?sig=secret#secret", "https://h:8/a.csv"),
        ("s3://key:secret@bucket/a?b#c@d", "s3://bucket/a?b#c@d"),
        ("zip://a?b.csv::https://user:secret@h/box.zip?sig=secret", "zip://a?b.csv::https://h/box.zip"),
        ("simplecache::HTTP://h/a?token=secret", "simplecache::HTTP://h/a"),
        ("http://[::1]:80/a?token=secret", "http://[::1]:80/a"),
        ("https://h/a?token=a::secret&b=zip::secret#::secret", "https://h/a"),
        ("sftp://user:secret@host/a.bin", "sftp://host/a.bin"),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


TYPES = {
    "report.DOCX": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "table.csv": "text/csv",
    "rows.csv.gz": "application/gzip",
    "box.tar.xz": "application/x-xz",
    "notes.md": "text/markdown",
    "data.json": "application/json",
    "photo.heic": "image/heic",
    "photo.webp": "image/webp",
    "film.mp4": "video/mp4",
    "voice.m4a": "audio/mp4",
    "app.js": "text/javascript",
    "none": "application/octet-stream",
    ".png": "application/octet-stream",
    "data:text/plain,x": "application/octet-stream",
    "x.unheard-of": "application/octet-stream",
    "box.taz": "application/octet-stream",
}


@pytest.mark.parametrize("system", ["knows much", "knows nothing", "knows better"])
def test_a_file_has_the_same_type_on_every_machine(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = mimetypes.MimeTypes()
    if system == "knows nothing":
        known.types_map = ({}, {})
    elif system == "knows better":
        # As a registry of Windows with office programs.
        for ending in (".csv", ".md", ".js", ".zip"):
            known.add_type("application/vnd.ms-excel", ending)
    monkeypatch.setattr(mimetypes, "_db", known)
    monkeypatch.setattr(mimetypes, "inited", True)
    assert {name: media_type_of(name) for name in TYPES} == TYPES
