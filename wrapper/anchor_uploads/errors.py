"""Everything that this package raises on its own account.

AnchorUploadsError
├── InvalidArgument      (also ValueError)  the key, the base URL or the session id cannot be right
├── SourceError          (also ValueError)  the file cannot be sent, or changed while it was read
├── ConnectionFailed                        no answer, and nothing can have been saved
│   └── TimedOut                            the same, because it took too long
├── OutcomeUnknown                          the file went out whole, but no answer came back
├── StatusError                             the service answered with an error
│   ├── BadRequest                          400
│   ├── AuthenticationFailed                401, 403
│   ├── SessionNotFound                     404
│   ├── FileTooLarge                        413, and a 400 that says so
│   ├── RateLimited                         429
│   └── ServerError                         500 to 599
├── UnexpectedResponse                      an answer that the contract does not know, or a hasty success
├── AttachError                             a page's file input cannot get, or did not get, the right files
└── UploadsFailed                           uploads of a batch failed

KeyboardInterrupt
└── UploadsInterrupted                      Ctrl-C stopped a batch

UserWarning
└── ContractDrift                           done, but the answer is not quite the documented one
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anchor_uploads._human import printable

if TYPE_CHECKING:
    from anchor_uploads._attach.expected import AttachedFile, RemoteFile
    from anchor_uploads._batch import UploadReport


class AnchorUploadsError(Exception):
    """The base of all errors of this package. `str()` of each is one line that says what to do next."""

    def __init__(self, text: str) -> None:
        # Files and services have their say in it.
        super().__init__(printable(" ".join(text.splitlines())))

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process boundaries in batches; the default would lose the keyword-only attributes.
        return _rebuild, (type(self), self.args, self.__dict__)


class InvalidArgument(AnchorUploadsError, ValueError):
    """The API key, the base URL, a session id or a setting cannot be right. Nothing was sent."""


class SourceError(AnchorUploadsError, ValueError):
    """The file cannot be sent as it was handed in, or it changed while it was read. Nothing was saved."""


class ConnectionFailed(AnchorUploadsError):
    """No answer came, and the request did not go out whole: nothing can have been saved."""


class TimedOut(ConnectionFailed):
    """Connecting or sending took longer than the time allowed. Nothing can have been saved."""


class OutcomeUnknown(AnchorUploadsError):
    """The request went out whole and no answer came back: it may have taken effect, or not.

    It is not sent again unless the caller asked for that, because a POST is not idempotent (RFC 9110 §9.2.2).
    """


class UnexpectedResponse(AnchorUploadsError):
    """The service answered with something that the contract does not know, such as a success without JSON.

    Also a success that was said before the file was out. After one that came later, the file may have been saved.

    Attributes:
        status_code (int): The HTTP status.
        body (bytes): The body as it came, at most the first 64 KiB.
    """

    def __init__(self, text: str, *, status_code: int, body: bytes) -> None:
        super().__init__(text)
        self.status_code = status_code
        self.body = body


class StatusError(AnchorUploadsError):
    """The service answered with an error.

    Attributes:
        status_code (int): The HTTP status.
        code (int | str | None): The code in the error's body; None where there is none.
        message (str | None): The message in the error's body.
        body (bytes): The body as it came, at most the first 64 KiB.
        retry_after (float | None): Seconds to wait, as the service asked for (RFC 9110 §10.2.3).
        request_id (str | None): The service's own id of the request.
    """

    def __init__(
        self,
        text: str,
        *,
        status_code: int,
        code: int | str | None = None,
        message: str | None = None,
        body: bytes = b"",
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(text)
        self.status_code = status_code
        self.code = code
        self.message = message
        self.body = body
        self.retry_after = retry_after
        self.request_id = request_id


class BadRequest(StatusError):
    """400: the service found no file in the request, or refuses it for another reason that `message` tells."""


class AuthenticationFailed(StatusError):
    """401 or 403: the API key is missing, wrong, or not allowed to do this."""


class SessionNotFound(StatusError):
    """404, in the contract's words: there is no such session. It may have ended."""


class FileTooLarge(StatusError):
    """413, or a 400 whose message says that the file is too large."""


class RateLimited(StatusError):
    """429: too many requests or sessions. `retry_after` tells how many seconds to wait, if the service said so."""


class ServerError(StatusError):
    """500 to 599: the service failed. It, or a gateway in front of it, may have had the file by then, and saved it.

    Where the next attempt had no answer, or no file to send, this error stands for both, and its text tells of both.
    """


class AttachError(AnchorUploadsError):
    """A page's file input cannot get the files, or did not get them; nothing false is in it.

    Attributes:
        expected (tuple[RemoteFile, ...]): What the page should have; empty unless files were compared.
        found (tuple[AttachedFile, ...]): What it has; empty unless files were compared.
    """

    def __init__(
        self, text: str, *, expected: tuple[RemoteFile, ...] = (), found: tuple[AttachedFile, ...] = ()
    ) -> None:
        super().__init__(text)
        self.expected = expected
        self.found = found


class UploadsFailed(AnchorUploadsError):
    """Uploads of a batch failed. Each error in the report tells whether its file may have been saved nevertheless.

    Attributes:
        report (UploadReport): Which, and why.
    """

    def __init__(self, text: str, *, report: UploadReport) -> None:
        super().__init__(text)
        self.report = report


class UploadsInterrupted(KeyboardInterrupt):
    """Ctrl-C stopped a batch.

    Attributes:
        report (UploadReport): What was done before.
    """

    def __init__(self, report: UploadReport) -> None:
        super().__init__("the batch was interrupted")
        self.report = report


class ContractDrift(UserWarning):
    """The service did what was asked, but its answer is not quite the documented one; the text names the place."""


def _rebuild(
    kind: type[AnchorUploadsError], arguments: tuple[object, ...], attributes: dict[str, object]
) -> AnchorUploadsError:
    error = kind.__new__(kind, *arguments)
    error.args = arguments
    error.__dict__.update(attributes)
    return error
