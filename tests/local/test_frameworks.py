"""An upload that a web framework received goes on under the file's name and type, not under the form field's."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp
import django.conf
import flask
import httpx
import litestar
import pytest
import quart
import starlette.applications
import starlette.requests
import starlette.responses
import starlette.routing
from aiohttp import web
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import RequestFactory
from quart.datastructures import FileStorage

from anchor_uploads import AsyncUploadClient, UploadClient, UploadedFile

if TYPE_CHECKING:
    from conftest import Anchor

KEY = "the key of the tests"
# More than any of them keeps in memory.
CONTENT = bytes(range(256)) * 12_000 + b"end"
FIELD, NAME, TYPE = "attachment", "report #1.csv", "text/x-own"
FILES = {FIELD: (NAME, CONTENT, TYPE)}

pytestmark = [pytest.mark.usefixtures("collected"), pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")]
Use = Callable[[Any], Any]
"""What a view does with the upload: a sync or an async client sends it on."""
AsyncUse = Callable[[Any], Awaitable[Any]]


def through_flask(use: Use) -> None:
    app = flask.Flask(__name__)
    app.testing = True

    @app.post("/")
    def view() -> str:
        use(flask.request.files[FIELD])
        return ""

    assert app.test_client().post("/", data={FIELD: (io.BytesIO(CONTENT), NAME, TYPE)}).status_code == 200


def through_django(use: Use) -> None:
    if not django.conf.settings.configured:
        django.conf.settings.configure()
    request = RequestFactory().post("/", {FIELD: SimpleUploadedFile(NAME, CONTENT, TYPE)})
    with request.FILES[FIELD] as upload:
        use(upload)


async def through_quart(use: AsyncUse) -> None:
    app = quart.Quart(__name__)
    app.testing = True

    @app.post("/")
    async def view() -> str:
        await use((await quart.request.files)[FIELD])
        return ""

    files = {FIELD: FileStorage(io.BytesIO(CONTENT), NAME, FIELD, TYPE)}
    assert (await app.test_client().post("/", files=files)).status_code == 200


async def through_starlette(use: AsyncUse) -> None:
    async def view(request: starlette.requests.Request) -> starlette.responses.Response:
        async with request.form() as form:
            await use(form[FIELD])
        return starlette.responses.Response()

    await _post(starlette.applications.Starlette(routes=[starlette.routing.Route("/", view, methods=["POST"])]))


async def through_litestar(use: AsyncUse) -> None:
    @litestar.post("/")
    async def view(request: litestar.Request) -> None:  # type: ignore[type-arg]
        await use((await request.form())[FIELD])

    await _post(litestar.Litestar([view], request_max_body_size=None, logging_config=None))


async def _post(app: Any) -> None:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        assert (await client.post("/", files=FILES)).is_success


async def through_aiohttp(use: AsyncUse, *, parts: bool) -> None:
    async def view(request: web.Request) -> web.Response:
        if parts:
            await use(await (await request.multipart()).next())
        else:
            await use((await request.post())[FIELD])
        return web.Response()

    app = web.Application(client_max_size=2 * len(CONTENT))
    app.router.add_post("/", view)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        form = aiohttp.FormData(quote_fields=False)
        form.add_field(FIELD, io.BytesIO(CONTENT), filename=NAME, content_type=TYPE)
        host, port = runner.addresses[0]
        async with aiohttp.ClientSession() as session, session.post(f"http://{host}:{port}/", data=form) as answer:
            assert answer.status == 200
    finally:
        await runner.cleanup()


SYNC: dict[str, Callable[[Use], None]] = {"Flask": through_flask, "Django": through_django}
ASYNC: dict[str, Callable[[AsyncUse], Awaitable[None]]] = {
    "Quart": through_quart,
    "Starlette": through_starlette,
    "Litestar": through_litestar,
    "aiohttp, part": partial(through_aiohttp, parts=True),
    "aiohttp, field": partial(through_aiohttp, parts=False),
}
# What is there whole when the view begins can be sent on by either client, and the sync one in a thread.
FROM_A_THREAD = ["Quart", "Starlette", "Litestar", "aiohttp, field"]


def check(uploaded: list[UploadedFile], anchor: Anchor, session_id: str) -> None:
    assert anchor.stored(session_id) == {NAME: CONTENT}
    ((name, size, content_type),) = {(each.name, each.size, each.content_type.partition(";")[0]) for each in uploaded}
    assert (name, size, content_type) == (NAME, len(CONTENT), TYPE)


@pytest.mark.parametrize("framework", SYNC)
def test_an_upload_of_a_framework_goes_on_as_it_came(framework: str, anchor: Anchor, session_id: str) -> None:
    uploaded: list[UploadedFile] = []
    with UploadClient(api_key=KEY, base_url=anchor.server.base_url) as client:
        SYNC[framework](lambda upload: uploaded.append(client.upload_file(session_id, upload)))
        SYNC[framework](lambda upload: uploaded.extend(client.upload_files(session_id, [upload]).uploaded))
    assert len(uploaded) == 2
    check(uploaded, anchor, session_id)


@pytest.mark.parametrize("framework", ASYNC)
def test_an_upload_of_an_async_framework_goes_on_as_it_came(framework: str, anchor: Anchor, session_id: str) -> None:
    uploaded: list[UploadedFile] = []

    async def run() -> None:
        async with AsyncUploadClient(api_key=KEY, base_url=anchor.server.base_url) as client:

            async def send_on(upload: Any) -> None:
                uploaded.append(await client.upload_file(session_id, upload))

            await ASYNC[framework](send_on)

            async def send_on_in_a_batch(upload: Any) -> None:
                uploaded.extend((await client.upload_files(session_id, [upload])).uploaded)

            await ASYNC[framework](send_on_in_a_batch)

    asyncio.run(run())
    assert len(uploaded) == 2
    check(uploaded, anchor, session_id)


@pytest.mark.parametrize("framework", FROM_A_THREAD)
def test_an_upload_of_an_async_framework_goes_on_from_a_thread(framework: str, anchor: Anchor, session_id: str) -> None:
    uploaded: list[UploadedFile] = []

    async def run() -> None:
        with UploadClient(api_key=KEY, base_url=anchor.server.base_url) as client:

            async def send_on(upload: Any) -> None:
                uploaded.append(await asyncio.to_thread(client.upload_file, session_id, upload))

            await ASYNC[framework](send_on)

    asyncio.run(run())
    check(uploaded, anchor, session_id)
