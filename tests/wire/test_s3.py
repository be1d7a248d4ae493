"""An upload whose source is an S3 object, from a real S3-speaking server on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from anchor_uploads import SourceError
from support.raw_server import RawServer
from support.twins import SESSION, Call, both

s3fs = pytest.importorskip("s3fs")
CONTENT = os.urandom(9_000_000)

# aiobotocore's own, on versions of Python that deprecate what it uses.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        filesystem = s3fs.S3FileSystem(skip_instance_cache=True)
        filesystem.mkdir("a-bucket")
        filesystem.pipe_file("a-bucket/in/report.pdf", CONTENT)
        try:
            yield "s3://a-bucket"
        finally:
            s3fs.S3FileSystem.clear_instance_cache()
            server.stop()


@both
def test_an_object_is_streamed_from_s3(call: Call, bucket: str, raw_server: RawServer) -> None:
    uploaded = call(raw_server.base_url, "upload_file", SESSION, f"{bucket}/in/report.pdf")

    assert (uploaded.name, uploaded.size, uploaded.content_type) == ("report.pdf", len(CONTENT), "application/pdf")
    assert raw_server.requests[0].part()[1] == CONTENT


@both
def test_an_object_that_is_not_there_says_so(call: Call, bucket: str, raw_server: RawServer) -> None:
    with pytest.raises(SourceError, match=r"s3://a-bucket/in/none.pdf.* does not exist"):
        call(raw_server.base_url, "upload_file", SESSION, f"{bucket}/in/none.pdf")
    assert raw_server.connections == 0


@both
def test_a_prefix_is_a_directory(call: Call, bucket: str, raw_server: RawServer) -> None:
    with pytest.raises(SourceError, match="is a directory"):
        call(raw_server.base_url, "upload_file", SESSION, f"{bucket}/in")
