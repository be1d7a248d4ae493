"""Whatever the bytes, the name and the chunks: it arrives identical, or is refused before a connection is made."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anchor_uploads import AnchorUploadsError, AsyncUploadClient, SourceError, UploadClient
from support import parsers
from support.raw_server import RawServer
from support.twins import KEY, SESSION

pytestmark = pytest.mark.filterwarnings("error")
bounded = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

forbidden = st.sampled_from(
    ["/", "\\", "\0", "\r", "\n", "\t", "\x1f", "\x7f", "\x85", "\udc80", "\ud800", "%22", "%0d", "%0A"]
)
names = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="/\\%"), min_size=1, max_size=60
).filter(lambda name: name not in (".", ".."))
bad_names = st.one_of(
    st.sampled_from(["", ".", ".."]),
    st.tuples(st.text(max_size=5), forbidden, st.text(max_size=5)).map("".join),
)
# Bytes that begin like a boundary or a header are likelier here than by chance.
contents = st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([b"\r\n--", b"--\r\n", b"\r\n\r\n", b"--"])))


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    with RawServer() as it:
        yield it


@bounded
@given(name=names, chunks=contents)
def test_what_is_accepted_arrives_identical(server: RawServer, name: str, chunks: list[bytes]) -> None:
    with UploadClient(api_key=KEY, base_url=server.base_url) as client:
        client.upload_file(SESSION, iter(chunks), filename=name)

    async def run() -> None:
        async with AsyncUploadClient(api_key=KEY, base_url=server.base_url) as it:
            await it.upload_file(SESSION, b"".join(chunks), filename=name)

    asyncio.run(run())

    for request in server.requests[-2:]:
        (part,) = parsers.python_multipart(request.headers["content-type"], bytes(request.body))
        assert part.filename == name.replace('"', "%22")
        assert request.part()[1] == b"".join(chunks)


@bounded
@given(name=bad_names)
def test_what_is_refused_makes_no_connection(server: RawServer, name: str) -> None:
    before = server.connections
    with UploadClient(api_key=KEY, base_url=server.base_url) as client, pytest.raises(SourceError, match="filename="):
        client.upload_file(SESSION, b"x", filename=name)
    assert server.connections == before


class Strange:
    """A file object in which each method may behave in a way of its own; None leaves a method out."""

    def __init__(self, ways: dict[str, str | None], content: bytes) -> None:
        self._file = io.BytesIO(content)
        self._ways = ways
        self._reads = 0
        for method in ("tell", "seek", "seekable"):
            if ways[method] is not None:
                setattr(self, method, getattr(self, f"_{method}"))

    def read(self, size: int) -> Any:
        self._reads += 1
        way = self._ways["read(0)"] if size == 0 else self._ways["read"]
        if way == "raises" or (way == "raises in the midst" and self._reads > 3):
            raise ZeroDivisionError("in the file")
        if way == "None":
            return None
        if way == "text":
            return "x"
        if way == "a little":
            return self._file.read(min(size, 3))
        block = self._file.read(size * 2 + 5 if way == "more" else size)
        return {"memoryview": memoryview, "bytearray": bytearray}.get(str(way), bytes)(block)

    def _tell(self) -> Any:
        return {"constant": 0, "None": None}.get(str(self._way("tell")), self._file.tell())

    def _seek(self, position: int, whence: int = 0) -> Any:
        if (way := self._way("seek")) == "does not move":
            return 0
        moved = self._file.seek(position, whence)
        return None if way == "None" else moved

    def _seekable(self) -> bool:
        return self._way("seekable") != "no"

    def _way(self, method: str) -> str | None:
        way = self._ways[method]
        if way == "raises":
            raise ZeroDivisionError("in the file")
        if way == "unsupported":
            raise io.UnsupportedOperation(method)
        return way


class StrangeToAwait(Strange):
    async def read(self, size: int) -> Any:
        return super().read(size)


ways = st.fixed_dictionaries(
    {
        "read": st.sampled_from(
            ["as asked", "a little", "more", "memoryview", "bytearray", "None", "text", "raises", "raises in the midst"]
        ),
        "read(0)": st.sampled_from(["as asked", "raises", "None", "more", "text"]),
        "tell": st.sampled_from(["as it should", None, "constant", "None", "raises", "unsupported"]),
        "seek": st.sampled_from(["as it should", None, "does not move", "None", "raises", "unsupported"]),
        "seekable": st.sampled_from(["yes", None, "no", "raises"]),
    }
)


@settings(bounded, max_examples=100)
@given(ways=ways, content=st.binary(max_size=40))
def test_of_any_file_object_every_byte_arrives_or_it_is_a_source_error(
    server: RawServer, ways: dict[str, str | None], content: bytes
) -> None:
    async def run(file: Any) -> None:
        async with AsyncUploadClient(api_key=KEY, base_url=server.base_url, max_retries=0) as client:
            await client.upload_file(SESSION, file, filename="a")

    def upload(file: Any) -> None:
        with UploadClient(api_key=KEY, base_url=server.base_url, max_retries=0) as client:
            client.upload_file(SESSION, file, filename="a")

    for attempt in (
        lambda: upload(Strange(ways, content)),
        lambda: asyncio.run(run(Strange(ways, content))),
        lambda: asyncio.run(run(StrangeToAwait(ways, content))),
    ):
        try:
            attempt()
        except SourceError:
            continue
        assert server.requests[-1].part()[1] == content


_anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**400),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.none(), max_size=1),
    st.just(print),
    st.just(object()),
)
_arguments = st.dictionaries(
    st.sampled_from(["filename", "content_type", "checksum", "timeout", "deadline", "max_retries", "retry_unknown"]),
    _anything,
    max_size=3,
)


@settings(bounded, max_examples=100)
@given(arguments=_arguments, file=st.one_of(st.just(b"x"), _anything))
def test_any_arguments_give_an_upload_or_an_error_of_this_package(
    server: RawServer, arguments: dict[str, Any], file: Any
) -> None:
    async def run() -> None:
        async with AsyncUploadClient(api_key=KEY, base_url=server.base_url) as client:
            await client.upload_file(SESSION, file, **{"filename": "a", **arguments})

    with UploadClient(api_key=KEY, base_url=server.base_url) as client:
        for attempt in (
            lambda: client.upload_file(SESSION, file, **{"filename": "a", **arguments}),
            lambda: asyncio.run(run()),
        ):
            with suppress(AnchorUploadsError):
                attempt()
