"""Whatever callers hand in: the right name, the right type, and every byte on the local Anchor's disk, or a clear line.

Each row goes through every door that can take it: the sync and the async client, their batches, and the command.
"""

from __future__ import annotations

import array
import asyncio
import bz2
import codecs
import gzip
import io
import lzma
import mmap
import os
import subprocess
import sys
import tarfile
import threading
import urllib.request
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import httpx
import pytest

from anchor_uploads import AsyncUploadClient, SourceError, UploadClient, UploadedFile
from anchor_uploads.cli import main
from support.raw_server import RawServer, head_of

if TYPE_CHECKING:
    from conftest import Anchor

pytestmark = [pytest.mark.usefixtures("collected"), pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")]
KEY = "the key of the tests"
CONTENT = bytes(range(256)) * 2000 + b"end"
SMALL = b"a,b\n1,2\n"


def sync(anchor: Anchor, session_id: str, file: Any, **options: Any) -> UploadedFile:
    with UploadClient(api_key=KEY, base_url=anchor.server.base_url) as client:
        return client.upload_file(session_id, file, **options)


def awaited(anchor: Anchor, session_id: str, file: Any, **options: Any) -> UploadedFile:
    async def run() -> UploadedFile:
        async with AsyncUploadClient(api_key=KEY, base_url=anchor.server.base_url) as client:
            return await client.upload_file(session_id, file, **options)

    return asyncio.run(run())


def batch(anchor: Anchor, session_id: str, file: Any) -> UploadedFile:
    with UploadClient(api_key=KEY, base_url=anchor.server.base_url) as client:
        return only(client.upload_files(session_id, [file]))


def awaited_batch(anchor: Anchor, session_id: str, file: Any) -> UploadedFile:
    async def run() -> Any:
        async with AsyncUploadClient(api_key=KEY, base_url=anchor.server.base_url) as client:
            return await client.upload_files(session_id, iter([file]))

    return only(asyncio.run(run()))


def only(report: Any) -> UploadedFile:
    for failed in report.failed:
        raise failed.error
    (uploaded,) = report.uploaded
    assert isinstance(uploaded, UploadedFile)
    return uploaded


def command(anchor: Anchor, session_id: str, file: Any) -> UploadedFile:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ANCHORBROWSER_API_KEY", KEY)
        assert main(["upload", session_id, os.fsdecode(file), "--base-url", anchor.server.base_url]) == 0
    (path,) = anchor.uploads(session_id).iterdir()
    return UploadedFile(session_id, path.name, path.stat().st_size, "", str(path), None, None)


DOORS = [sync, awaited, batch, awaited_batch, command]


class Reads:
    """An object with `read`, and with nothing else that is not given."""

    name = "rows.csv"

    def __init__(self, content: bytes = CONTENT, **methods: Any) -> None:
        self._file = io.BytesIO(content)
        vars(self).update({name: method.__get__(self._file) for name, method in methods.items()})

    def read(self, size: int) -> Any:
        return self._file.read(size)


class ReadsInItsWay(Reads):
    def __init__(self, block: Callable[[io.BytesIO, int], Any]) -> None:
        super().__init__()
        self._block = block

    def read(self, size: int) -> Any:
        return self._block(self._file, size)


class FormField:
    """An upload as werkzeug and Quart show it: `name` is the field's."""

    name = "attachment"
    filename = "C4 plan.csv"
    content_type = "text/x-own; charset=utf-8"

    def __init__(self) -> None:
        self.read = io.BytesIO(CONTENT).read


def written(directory: Path, name: str, content: bytes = CONTENT) -> Path:
    path = directory / name
    path.write_bytes(content)
    return path


def in_memory(key: str, content: bytes = CONTENT) -> str:
    with fsspec.open(f"memory://{key}", "wb") as file:
        file.write(content)
    return f"memory://{key}"


def zipped(directory: Path) -> Path:
    with zipfile.ZipFile(directory / "box.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in/inner.csv", CONTENT)
    return directory / "box.zip"


def tarred(directory: Path) -> Any:
    with tarfile.open(directory / "box.tar", "w") as archive:
        archive.add(written(directory, "inner.csv"), "in/inner.csv")
    return tarfile.open(directory / "box.tar").extractfile("in/inner.csv")


def compressed(opener: Any, directory: Path, name: str) -> Any:
    with opener.open(directory / name, "wb") as file:
        file.write(CONTENT)
    return opener.open(directory / name, "rb")


def mapped(directory: Path) -> Any:
    with written(directory, "m.bin").open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


class PipeOfWindows(io.FileIO):
    """A pipe that says that it can seek and stands at 0, of 0 bytes, as each does there."""

    def seekable(self) -> bool:
        return True

    def seek(self, _position: int, _whence: int = 0, /) -> int:
        return 0

    def tell(self) -> int:
        return 0


def piped() -> io.BufferedReader:
    ours, theirs = os.pipe()

    def write() -> None:
        with open(theirs, "wb") as file:
            file.write(CONTENT)

    threading.Thread(target=write, daemon=True).start()
    return io.BufferedReader(PipeOfWindows(ours))


# What is handed in; the name, the type and the bytes that must arrive.
ROWS: dict[str, tuple[Callable[[Path], Any], str, str, bytes]] = {
    # names
    "? # % in a key": (lambda _: in_memory("b/INV#7?x=1%20.pdf"), "INV#7?x=1%20.pdf", "application/pdf", CONTENT),
    "file in an archive behind a chained URL": (
        lambda d: f"zip://in/inner.csv::{zipped(d)}",
        "inner.csv",
        "text/csv",
        CONTENT,
    ),
    "cache before a URL": (lambda _: "simplecache::" + in_memory("b/c.csv"), "c.csv", "text/csv", CONTENT),
    "field of a form": (lambda _: FormField(), "C4 plan.csv", "text/x-own; charset=utf-8", CONTENT),
    "gzip": (lambda d: compressed(gzip, d, "rows.csv.gz"), "rows.csv", "text/csv", CONTENT),
    "tgz": (lambda d: compressed(gzip, d, "box.tgz"), "box.tar", "application/x-tar", CONTENT),
    "gzip behind a buffer": (
        lambda d: io.BufferedReader(compressed(gzip, d, "rows.csv.GZ")),
        "rows.csv",
        "text/csv",
        CONTENT,
    ),
    "member of a zip": (lambda d: zipfile.ZipFile(zipped(d)).open("in/inner.csv"), "inner.csv", "text/csv", CONTENT),
    "member of a tar": (lambda d: ("m.csv", tarred(d)), "m.csv", "text/csv", CONTENT),
    "name in bytes": (
        lambda d: open(os.fsencode(written(d, "é.txt")), "rb"),
        "é.txt",
        "text/plain",
        CONTENT,
    ),
    "pair": (lambda _: ("a.txt", CONTENT), "a.txt", "text/plain", CONTENT),
    "triple": (lambda _: ("a.txt", io.BytesIO(CONTENT), "text/x-own"), "a.txt", "text/x-own", CONTENT),
    "triple without a name": (
        lambda d: (None, written(d, "a.txt"), "text/x-own"),
        "a.txt",
        "text/x-own",
        CONTENT,
    ),
    "name with a percent sign": (lambda d: written(d, "100%.txt"), "100%.txt", "text/plain", CONTENT),
    # types
    "compressed file": (lambda d: written(d, "rows.csv.gz"), "rows.csv.gz", "application/gzip", CONTENT),
    "compressed file, xz": (lambda d: written(d, "rows.csv.XZ"), "rows.csv.XZ", "application/x-xz", CONTENT),
    "compressed file, brotli": (lambda d: written(d, "r.js.br"), "r.js.br", "application/octet-stream", CONTENT),
    "markdown": (lambda d: written(d, "README.MD"), "README.MD", "text/markdown", CONTENT),
    "web image": (lambda d: written(d, "a.webp"), "a.webp", "image/webp", CONTENT),
    "no ending": (lambda d: written(d, "Makefile"), "Makefile", "application/octet-stream", CONTENT),
    # bytes
    "mmap": (lambda d: ("m.bin", mapped(d)), "m.bin", "application/octet-stream", CONTENT),
    "pipe of Windows": (lambda _: ("rows.csv", piped()), "rows.csv", "text/csv", CONTENT),
    "read only": (lambda _: Reads(), "rows.csv", "text/csv", CONTENT),
    "seek without tell": (lambda _: Reads(seek=io.BytesIO.seek), "rows.csv", "text/csv", CONTENT),
    "read(0) that raises": (
        lambda _: ReadsInItsWay(lambda file, size: file.read(size) if size else 1 / 0),
        "rows.csv",
        "text/csv",
        CONTENT,
    ),
    "short reads": (
        lambda _: ReadsInItsWay(lambda file, size: file.read(min(size, 1000))),
        "rows.csv",
        "text/csv",
        CONTENT,
    ),
    "memoryviews": (
        lambda _: ReadsInItsWay(lambda file, size: memoryview(file.read(size))),
        "rows.csv",
        "text/csv",
        CONTENT,
    ),
    "more than asked for": (
        lambda _: ReadsInItsWay(lambda file, size: file.read(size * 2)),
        "rows.csv",
        "text/csv",
        CONTENT,
    ),
    "strided memoryviews": (
        lambda _: ("a.bin", iter([memoryview(CONTENT)[::2], memoryview(array.array("I", [1, 2]))])),
        "a.bin",
        "application/octet-stream",
        CONTENT[::2] + array.array("I", [1, 2]).tobytes(),
    ),
    "strided memoryview": (
        lambda _: ("a.bin", memoryview(CONTENT)[::3]),
        "a.bin",
        "application/octet-stream",
        CONTENT[::3],
    ),
    "file that stands in its midst": (
        lambda d: at(written(d, "a.csv").open("rb"), 1000),
        "a.csv",
        "text/csv",
        CONTENT[1000:],
    ),
}
PATHS = {"name with a percent sign", "compressed file", "compressed file, xz", "compressed file, brotli", "markdown"}
PATHS |= {"? # % in a key", "cache before a URL", "web image", "no ending"}


def at(file: Any, position: int) -> Any:
    file.seek(position)
    return file


# Their sizes are not true: 0 of the one, one page of the other.
for kernels in ("/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled"):
    if os.path.exists(kernels):
        facts = (os.path.basename(kernels), "application/octet-stream", Path(kernels).read_bytes())
        ROWS[kernels] = (lambda _, path=kernels: path, *facts)
        ROWS[f"{kernels}, opened"] = (lambda _, path=kernels: open(path, "rb"), *facts)
        PATHS.add(kernels)


@pytest.mark.parametrize(
    ("door", "row"),
    [
        pytest.param(door, row, id=f"{row}-{door.__name__}")
        for row in ROWS
        for door in DOORS
        if row in PATHS or door is not command
    ],
)
def test_the_name_the_type_and_every_byte_arrive(
    door: Callable[..., UploadedFile], row: str, anchor: Anchor, session_id: str, tmp_path: Path
) -> None:
    make, name, content_type, content = ROWS[row]
    file = make(tmp_path)
    try:
        uploaded = door(anchor, session_id, file)
    finally:
        with suppress(AttributeError):
            file.close()
    assert anchor.stored(session_id) == {name: content}
    assert (uploaded.name, uploaded.size) == (name, len(content))
    assert door is command or uploaded.content_type == content_type


def damaged(opener: Any, directory: Path, name: str) -> Any:
    compressed(opener, directory, name).close()
    path = directory / name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return (name, opener.open(path, "rb"))


def damaged_member(directory: Path) -> Any:
    path = zipped(directory)
    content = bytearray(path.read_bytes())
    content[60:80] = bytes(20)
    path.write_bytes(content)
    return zipfile.ZipFile(path).open("in/inner.csv")


class Lies(Reads):
    """Says another size than it has."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._end = io.SEEK_CUR
        self._size = size

    def seek(self, position: int, whence: int = 0) -> None:
        self._end = whence

    def tell(self) -> int:
        return self._size if self._end == io.SEEK_END else 0


class GoesElsewhere(io.BytesIO):
    """Does not go back to where it stood."""

    name = "a.bin"

    def seek(self, position: int, whence: int = 0, /) -> int:
        return super().seek(max(1, position), whence)


class GivesMore(io.BytesIO):
    """Gives all that it has, whatever it is asked for, and that is more than it says."""

    name = "a.bin"

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read() + b"more" if size else b""


class ReadsAllAtOnce:
    name = "a.bin"

    def read(self) -> bytes:
        return CONTENT


REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "escaped quote in a name": (lambda d: written(d, "a%22b.txt"), "holds %22, which the other end cannot tell"),
    "escaped line break in a name": (lambda d: written(d, "a%0ab.txt"), "holds %0a"),
    "answer of httpx": (lambda _: ("a", httpx.Response(200, content=CONTENT)), r"pass its iter_bytes\(\)"),
    "damaged gzip": (lambda d: damaged(gzip, d, "a.gz"), "cannot be read: EOFError"),
    "damaged bz2": (lambda d: damaged(bz2, d, "a.bz2"), "cannot be read: EOFError"),
    "damaged xz": (lambda d: damaged(lzma, d, "a.xz"), "cannot be read: EOFError"),
    "damaged member of a zip": (damaged_member, "cannot be read: (error|BadZipFile)"),
    "read without a size": (lambda _: ReadsAllAtOnce(), "must take a size"),
    "text": (lambda _: ("a.txt", io.StringIO("text")), "opened as text"),
    "text of a codec": (lambda d: codecs.open(written(d, "a.txt"), "r", "latin-1"), "opened as text"),
    "bytes though none were asked for": (
        lambda _: ReadsInItsWay(lambda file, _size: file.read(10)),
        "gave bytes when it was asked for none",
    ),
    "what has to be awaited": (lambda _: ReadsInItsWay(lambda *_: asyncio.sleep(0, b"x")), "gave coroutine"),
    "fewer bytes than it says": (lambda _: Lies(len(CONTENT) + 1), "became shorter"),
    "more bytes than it says": (lambda _: Lies(1000), "became longer|gave more"),
    "what goes elsewhere": (lambda _: GoesElsewhere(CONTENT), "did not go back to where it stood"),
    "more bytes than were asked for": (lambda _: GivesMore(CONTENT), f"gave more than the {len(CONTENT)} bytes"),
    "compressed file of unknown name": (
        lambda d: gzip.open(written(d, "rows.gzip", gzip.compress(CONTENT)), "rb"),
        "has no file name",
    ),
    "pair whose first is no name": (lambda _: (5, CONTENT), "has no file name"),
}


@pytest.mark.parametrize("row", REFUSED)
@pytest.mark.parametrize("door", DOORS[:4], ids=lambda door: door.__name__)
@pytest.mark.filterwarnings("ignore:codecs.open:DeprecationWarning")
def test_what_cannot_be_sent_is_one_clear_line_and_nothing_is_saved(
    door: Callable[..., UploadedFile], row: str, anchor: Anchor, session_id: str, tmp_path: Path
) -> None:
    make, text = REFUSED[row]
    file = make(tmp_path)
    try:
        with pytest.raises(SourceError, match=text) as caught:
            door(anchor, session_id, file)
    finally:
        with suppress(AttributeError):
            file.close()
    assert "\n" not in str(caught.value)
    assert anchor.stored(session_id) == {}


@pytest.mark.parametrize("door", DOORS[:4], ids=lambda door: door.__name__)
def test_the_advice_names_what_there_is(door: Callable[..., UploadedFile], anchor: Anchor, session_id: str) -> None:
    with pytest.raises(SourceError) as caught:
        door(anchor, session_id, b"x")
    assert ("filename=" in str(caught.value)) == (door in (sync, awaited))
    assert ("(filename, file)" in str(caught.value)) == (door in (batch, awaited_batch))


def test_the_command_advises_its_own_option(
    anchor: Anchor, session_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AssertionError):
        command(anchor, session_id, written(tmp_path, "a%22b.txt"))
    error = capsys.readouterr().err
    assert "--filename" in error
    assert "filename=" not in error


@pytest.mark.parametrize("door", DOORS[:2], ids=lambda door: door.__name__)
def test_a_download_that_breaks_off_is_not_uploaded(
    door: Callable[..., UploadedFile], anchor: Anchor, session_id: str, raw_server: RawServer
) -> None:
    def half(exchange: Any) -> None:
        exchange.send(head_of(200, {"Content-Length": "1000", "Content-Type": "text/csv"}) + bytes(500))
        exchange.open = False

    raw_server.script = [half]
    with (
        urllib.request.urlopen(f"{raw_server.base_url}/a.csv") as answer,
        pytest.raises(SourceError, match=r"broke off: 500 bytes|IncompleteRead"),
    ):
        door(anchor, session_id, ("a.csv", answer))
    assert anchor.stored(session_id) == {}


def test_a_session_stands_for_its_id_and_a_mapping_for_files_with_names(anchor: Anchor) -> None:
    files = {"a.txt": b"a", "b.txt": ("other.txt", io.BytesIO(b"b"), "text/x-own")}

    async def run() -> None:
        async with (
            AsyncUploadClient(api_key=KEY, base_url=anchor.server.base_url) as client,
            client.session() as session,
        ):
            report = await client.upload_files(session, files)
            assert [uploaded.content_type for uploaded in report.uploaded] == ["text/plain", "text/x-own"]
            assert anchor.stored(session.id) == {"a.txt": b"a", "b.txt": b"b"}
            assert await client.get_session(session)

    asyncio.run(run())
    with UploadClient(api_key=KEY, base_url=anchor.server.base_url) as client:
        session = client.create_session()
        client.upload_file(session, b"a", filename="a.txt")
        assert len(client.upload_files(session, files).uploaded) == 2
        assert client.get_session(session)
        (found,) = (each for each in client.list_sessions() if each.id == session.id)
        assert client.get_session(found) == found.status
        client.end_session(found)
        assert found not in client.list_sessions()


@pytest.mark.parametrize("door", ["sync", "async"])
def test_names_that_may_be_one_at_the_other_end_are_told(door: str, anchor: Anchor, session_id: str) -> None:
    names = ["a.txt", "é.txt", "b.txt", "e\u0301.TXT", "A.txt"]
    if door == "sync":
        with UploadClient(api_key=KEY, base_url=anchor.server.base_url) as client:
            report = client.upload_files(session_id, dict.fromkeys(names, b"x"))
    else:

        async def run() -> Any:
            async with AsyncUploadClient(api_key=KEY, base_url=anchor.server.base_url) as client:
                return await client.upload_files(session_id, ((name, b"x") for name in names))

        report = asyncio.run(run())
    assert not report.failed
    assert [warning.split(" differ")[0] for warning in report.warnings] == [
        "'é.txt' and 'e\u0301.TXT'",
        "'a.txt' and 'A.txt'",
    ]


ELSEWHERE = """
import os, sys
from anchor_uploads import UploadClient
with UploadClient(api_key=sys.argv[1], base_url=sys.argv[2]) as client:
    for name in os.listdir(sys.argv[4]):
        client.upload_file(sys.argv[3], os.path.join(sys.argv[4], name))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="file names are UTF-8 in any locale on this platform")
def test_a_name_in_utf8_arrives_though_the_locale_knows_only_ascii(
    anchor: Anchor, session_id: str, tmp_path: Path
) -> None:
    written(tmp_path, "żółć ✓.txt", SMALL)
    environment = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    # Of a clone whose own path has other letters, Python cannot read the .pth file there; so without the module site.
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    arguments = [KEY, anchor.server.base_url, session_id, str(tmp_path)]
    subprocess.run([sys.executable, "-S", "-c", ELSEWHERE, *arguments], env=environment, check=True)
    assert anchor.stored(session_id) == {"żółć ✓.txt": SMALL}


FULL = """
import resource, signal, sys
from anchor_uploads import SourceError, UploadClient
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
with UploadClient(api_key=sys.argv[1], base_url=sys.argv[2]) as client:
    try:
        client.upload_file(sys.argv[3], (bytes(100_000) for _ in range(100)), filename="a")
    except SourceError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of file sizes on this platform")
def test_a_directory_for_temporary_files_that_takes_no_more_is_named(
    anchor: Anchor, session_id: str, tmp_path: Path
) -> None:
    arguments = [KEY, anchor.server.base_url, session_id]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", FULL, *arguments]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert f"temporary files, {str(tmp_path)!r}, did not take it" in done.stdout
    assert anchor.stored(session_id) == {}


@pytest.mark.skipif(not os.path.exists("/dev/stdin"), reason="no such name on this platform")
def test_standard_input_has_a_path(anchor: Anchor, session_id: str) -> None:
    options = ["--base-url", anchor.server.base_url]
    line = [sys.executable, "-m", "anchor_uploads", "upload", session_id, "/dev/stdin", *options]
    environment = {**os.environ, "ANCHORBROWSER_API_KEY": KEY}
    subprocess.run(line, input=CONTENT, env=environment, check=True, capture_output=True)
    assert anchor.stored(session_id) == {"stdin": CONTENT}
