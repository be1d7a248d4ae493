# Made from spec/client.yaml by openapi-python-client 0.29.1. Do not edit: change the spec or the
# overlay and run scripts/regenerate.

from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.error_response import ErrorResponse
from ...models.upload_failed import UploadFailed
from ...models.upload_form import UploadForm
from ...models.upload_refused import UploadRefused
from ...models.upload_reply import UploadReply
from ...models.upload_session_not_found import UploadSessionNotFound
from ...types import Response


def _get_kwargs(
    session_id: UUID,
    *,
    body: UploadForm,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/sessions/{session_id}/uploads".format(
            session_id=quote(str(session_id), safe=""),
        ),
    }

    _kwargs["files"] = body.to_multipart()

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> ErrorResponse | UploadFailed | UploadRefused | UploadReply | UploadSessionNotFound | None:
    if response.status_code == 200:
        response_200 = UploadReply.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = UploadRefused.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = ErrorResponse.from_dict(response.json())

        return response_401

    if response.status_code == 404:
        response_404 = UploadSessionNotFound.from_dict(response.json())

        return response_404

    if response.status_code == 500:
        response_500 = UploadFailed.from_dict(response.json())

        return response_500

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[ErrorResponse | UploadFailed | UploadRefused | UploadReply | UploadSessionNotFound]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    session_id: UUID,
    *,
    client: AuthenticatedClient,
    body: UploadForm,
) -> Response[ErrorResponse | UploadFailed | UploadRefused | UploadReply | UploadSessionNotFound]:
    """Upload a file into a session

     Stores one file in the uploads directory of a running browser session, where CDP commands can hand
    it to a file input.

    Args:
        session_id (UUID):
        body (UploadForm):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErrorResponse | UploadFailed | UploadRefused | UploadReply | UploadSessionNotFound]
    """

    kwargs = _get_kwargs(
        session_id=session_id,
        body=body,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    session_id: UUID,
    *,
    client: AuthenticatedClient,
    body: UploadForm,
) -> ErrorResponse | UploadFailed | UploadRefused | UploadReply | UploadSessionNotFound | None:
    """Upload a file into a session

     Stores one file in the uploads directory of a running browser session, where CDP commands can hand
    it to a file input.

    Args:
        session_id (UUID):
        body (UploadForm):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErrorResponse | UploadFailed | UploadRefused | UploadReply | UploadSessionNotFound
    """

    return sync_detailed(
        session_id=session_id,
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    session_id: UUID,
    *,
    client: AuthenticatedClient,
    body: UploadForm,
) -> Response[ErrorResponse | UploadFailed | UploadRefused | UploadReply | UploadSessionNotFound]:
    """Upload a file into a session

     Stores one file in the uploads directory of a running browser session, where CDP commands can hand
    it to a file input.

    Args:
        session_id (UUID):
        body (UploadForm):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErrorResponse | UploadFailed | UploadRefused | UploadReply | UploadSessionNotFound]
    """

    kwargs = _get_kwargs(
        session_id=session_id,
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    session_id: UUID,
    *,
    client: AuthenticatedClient,
    body: UploadForm,
) -> ErrorResponse | UploadFailed | UploadRefused | UploadReply | UploadSessionNotFound | None:
    """Upload a file into a session

     Stores one file in the uploads directory of a running browser session, where CDP commands can hand
    it to a file input.

    Args:
        session_id (UUID):
        body (UploadForm):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErrorResponse | UploadFailed | UploadRefused | UploadReply | UploadSessionNotFound
    """

    return (
        await asyncio_detailed(
            session_id=session_id,
            client=client,
            body=body,
        )
    ).parsed
