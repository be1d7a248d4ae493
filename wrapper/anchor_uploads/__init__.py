"""Put files into Anchor Browser sessions: streaming, replay-safe, verified.

`UploadClient` and `AsyncUploadClient` upload. `anchor_uploads.playwright` and `anchor_uploads.cdp` give the files to a
page, and `anchor_uploads.local` is an Anchor on your own machine, with fixtures for tests in
`anchor_uploads.pytest_plugin`. What is raised stands in `anchor_uploads.errors`.

Example:
    >>> from anchor_uploads import UploadClient
    >>> with UploadClient() as client, client.session() as session:
    ...     uploaded = client.upload_file(session.id, "report.pdf")
    >>> uploaded.name
    'report.pdf'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from anchor_uploads.errors import (
    AnchorUploadsError,
    AttachError,
    AuthenticationFailed,
    BadRequest,
    ConnectionFailed,
    ContractDrift,
    FileTooLarge,
    InvalidArgument,
    OutcomeUnknown,
    RateLimited,
    ServerError,
    SessionNotFound,
    SourceError,
    StatusError,
    TimedOut,
    UnexpectedResponse,
    UploadsFailed,
    UploadsInterrupted,
)

if TYPE_CHECKING:
    from anchor_uploads._batch import FailedUpload, UploadReport
    from anchor_uploads._call.callbacks import UploadProgress
    from anchor_uploads._call.reply import Session, SessionInfo, UploadedFile
    from anchor_uploads._call.settings import Settings, Timeouts
    from anchor_uploads.client import AsyncUploadClient, UploadClient, upload_file, upload_file_async

__version__ = "0.1.0"

# Importing httpx takes about 0.1 s, which a program that only names an error class need not pay.
_LAZY = {
    "AsyncUploadClient": "client",
    "FailedUpload": "_batch",
    "Session": "_call.reply",
    "SessionInfo": "_call.reply",
    "Settings": "_call.settings",
    "Timeouts": "_call.settings",
    "UploadClient": "client",
    "UploadProgress": "_call.callbacks",
    "UploadReport": "_batch",
    "UploadedFile": "_call.reply",
    "upload_file": "client",
    "upload_file_async": "client",
}

__all__ = [
    "AnchorUploadsError",
    "AsyncUploadClient",
    "AttachError",
    "AuthenticationFailed",
    "BadRequest",
    "ConnectionFailed",
    "ContractDrift",
    "FailedUpload",
    "FileTooLarge",
    "InvalidArgument",
    "OutcomeUnknown",
    "RateLimited",
    "ServerError",
    "Session",
    "SessionInfo",
    "SessionNotFound",
    "Settings",
    "SourceError",
    "StatusError",
    "TimedOut",
    "Timeouts",
    "UnexpectedResponse",
    "UploadClient",
    "UploadProgress",
    "UploadReport",
    "UploadedFile",
    "UploadsFailed",
    "UploadsInterrupted",
    "upload_file",
    "upload_file_async",
]


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
