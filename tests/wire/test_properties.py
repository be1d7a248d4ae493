"""Whatever the bytes, the name and the chunks: it arrives identical, or is refused before a connection is made."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anchor_uploads import AsyncUploadClient, SourceError, UploadClient
from support import parsers
from support.raw_server import RawServer
from support.twins import KEY, SESSION

pytestmark = pytest.mark.filterwarnings("error")
bounded = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

forbidden = st.sampled_from(["/", "\\", "\0", "\r", "\n", "\t", "\x1f", "\x7f", "\x85", "\udc80", "\ud800"])
names = st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="/\\"), min_size=1).filter(
    lambda name: name not in (".", "..")
)
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
