# Made from spec/client.yaml by datamodel-code-generator 0.89.0. Do not edit: change the spec or the
# overlay and run scripts/regenerate.

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    MISSING,
    AnyUrl,
    BaseModel,
    ConfigDict,
    Field,
    StrictBytes,
    StrictInt,
    StrictStr,
)


class ErrorDetail(BaseModel):
    model_config = ConfigDict(
        extra='forbid',
    )
    code: StrictInt | MISSING = MISSING
    message: StrictStr | MISSING = MISSING


class ErrorResponse(BaseModel):
    model_config = ConfigDict(
        extra='forbid',
    )
    error: Annotated[ErrorDetail | MISSING, Field(title='ErrorDetail')] = MISSING


class SessionTimeout(BaseModel):
    model_config = ConfigDict(
        extra='forbid',
    )
    max_duration: Annotated[
        StrictInt | MISSING,
        Field(description='Longest life of the session, in minutes'),
    ] = MISSING
    idle_timeout: Annotated[
        StrictInt | MISSING,
        Field(description='Minutes without activity after which the session ends'),
    ] = MISSING


class SessionSettings(BaseModel):
    model_config = ConfigDict(
        extra='forbid',
    )
    initial_url: Annotated[
        AnyUrl | MISSING, Field(description='Page to open first')
    ] = MISSING
    timeout: Annotated[
        SessionTimeout | MISSING,
        Field(description='When the session ends by itself', title='SessionTimeout'),
    ] = MISSING


class SessionRequest(BaseModel):
    model_config = ConfigDict(
        extra='forbid',
    )
    session: Annotated[
        SessionSettings | MISSING,
        Field(
            description='Start page, time limits, proxy, recording and live view of the session.',
            title='SessionSettings',
        ),
    ] = MISSING
    browser: Annotated[
        dict[str, Any] | MISSING,
        Field(
            description='Profile, viewport and features of the browser.',
            title='BrowserSettings',
        ),
    ] = MISSING


class SessionData(BaseModel):
    model_config = ConfigDict(
        extra='forbid',
    )
    id: Annotated[StrictStr | MISSING, Field(description="The session's ID")] = MISSING
    cdp_url: Annotated[
        StrictStr | MISSING,
        Field(description='WebSocket address for CDP clients. It carries the API key.'),
    ] = MISSING
    live_view_url: Annotated[
        StrictStr | MISSING,
        Field(description='Address of a page that shows the session'),
    ] = MISSING


class SessionReply(BaseModel):
    model_config = ConfigDict(
        extra='forbid',
    )
    data: Annotated[SessionData | MISSING, Field(title='SessionData')] = MISSING


class SessionStatus(BaseModel):
    model_config = ConfigDict(
        extra='forbid',
    )
    status: Annotated[
        StrictStr | MISSING,
        Field(description="What became of the request, or the session's state"),
    ] = MISSING


class SessionStatusReply(BaseModel):
    model_config = ConfigDict(
        extra='forbid',
    )
    data: Annotated[SessionStatus | MISSING, Field(title='SessionStatus')] = MISSING


class SessionListItem(BaseModel):
    model_config = ConfigDict(
        extra='forbid',
    )
    session_id: Annotated[StrictStr, Field(description="The session's ID")]
    status: Annotated[StrictStr, Field(description="The session's state")]
    created_at: Annotated[
        StrictStr, Field(description='When the session was started, as RFC 3339 has it')
    ]


class SessionList(BaseModel):
    model_config = ConfigDict(
        extra='forbid',
    )
    count: Annotated[
        StrictInt | MISSING, Field(description='How many sessions there are')
    ] = MISSING
    items: list[SessionListItem] | MISSING = MISSING


class SessionListReply(BaseModel):
    model_config = ConfigDict(
        extra='forbid',
    )
    data: Annotated[SessionList | MISSING, Field(title='SessionList')] = MISSING


class UploadForm(BaseModel):
    model_config = ConfigDict(
        extra='forbid',
    )
    file: Annotated[
        StrictBytes, Field(description='File to upload to the browser session')
    ]


class UploadResult(BaseModel):
    model_config = ConfigDict(
        extra='forbid',
    )
    status: StrictStr | MISSING = MISSING
    message: StrictStr | MISSING = MISSING


class UploadReply(BaseModel):
    model_config = ConfigDict(
        extra='forbid',
    )
    data: Annotated[UploadResult | MISSING, Field(title='UploadResult')] = MISSING


class UploadRefusedDetail(BaseModel):
    model_config = ConfigDict(
        extra='forbid',
    )
    code: StrictInt | MISSING = MISSING
    message: StrictStr | MISSING = MISSING


class UploadRefused(BaseModel):
    model_config = ConfigDict(
        extra='forbid',
    )
    error: Annotated[
        UploadRefusedDetail | MISSING, Field(title='UploadRefusedDetail')
    ] = MISSING


class UploadSessionNotFound(BaseModel):
    model_config = ConfigDict(
        extra='forbid',
    )
    error: ErrorResponse | MISSING = MISSING


class UploadFailed(BaseModel):
    model_config = ConfigDict(
        extra='forbid',
    )
    error: ErrorResponse | MISSING = MISSING
