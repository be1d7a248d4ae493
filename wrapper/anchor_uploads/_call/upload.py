"""One upload: its attempts, each with a body of its own that sends the source from its start."""

from __future__ import annotations

import time
from typing import TypedDict
from uuid import UUID

from anchor_uploads._aside import TimeIsUp
from anchor_uploads._call import contract, reply
from anchor_uploads._call.body import Body
from anchor_uploads._call.callbacks import ProgressCallback, check_callback
from anchor_uploads._call.exchange import Answer, Calls, Send, Work
from anchor_uploads._call.reply import UploadedFile
from anchor_uploads._call.secrets import log
from anchor_uploads._call.settings import CallOptions, Deadline, Settings
from anchor_uploads._call.table import judged, repeated, time_is_up
from anchor_uploads._sources.source import Source, Waits
from anchor_uploads.errors import AnchorUploadsError, InvalidArgument, SourceError


class FileOptions(TypedDict, total=False):
    """What may be said of a file. filename, content_type: sent instead of its own name and the type guessed from it.

    on_progress: called with `UploadProgress`; what it raises aborts the upload. checksum: compute the SHA-256.
    """

    filename: str | None
    content_type: str | None
    on_progress: ProgressCallback | None
    checksum: bool


class UploadOptions(FileOptions, CallOptions, total=False):
    """The options of one upload."""


def check_options(options: UploadOptions) -> None:
    """Raise `InvalidArgument` for what can be no option's value, and `TypeError` for an option that there is not."""
    if unknown := options.keys() - UploadOptions.__optional_keys__:
        raise TypeError(f"upload_file has no option {', '.join(sorted(unknown))}")
    check_callback(options.get("on_progress"))
    check_checksum(options.get("checksum", False))


def check_checksum(checksum: object) -> None:
    """Raise `InvalidArgument` for what does not say whether there is to be one."""
    if not isinstance(checksum, bool):
        raise InvalidArgument(f"checksum must be True or False, not {checksum!r}")


def upload(
    settings: Settings, session_id: UUID, source: Source, deadline: Deadline, options: UploadOptions
) -> Calls[UploadedFile]:
    """Return the steps that put an opened source into a session. Raises what the README's table says."""
    operation = contract.upload(session_id)
    what = f"upload of {source.label} to session {session_id}"

    def attempt(number: int) -> Calls[UploadedFile | AnchorUploadsError]:
        if number > 1:
            try:
                yield Work(source.rewind, deadline, may_never_end=source.waits is Waits.LONG)
            except TimeIsUp:
                return time_is_up(what, deadline.seconds)
            except SourceError as error:
                return _told(error, f"{what}: attempt {number - 1} failed and the file cannot be sent again. {error}")
        body = Body(
            operation.field,
            source,
            deadline,
            attempt=number,
            checksum=options.get("checksum", False),
            on_progress=options.get("on_progress"),
            interval=settings.progress_interval,
        )
        send = Send(settings, operation, deadline, body)
        started = time.monotonic()
        came = yield send
        told = f"answered with {came.status_code}" if isinstance(came, Answer) else f"no answer, {came.problem!r}"
        log(settings._api_key, "%s, attempt %d: %s after %.3f s", what, number, told, time.monotonic() - started)
        facts = {
            "session_id": str(session_id),
            "name": source.name,
            "size": source.size,
            "content_type": source.content_type,
            "attempts": number,
            "sha256": body.sha256,
        }
        return judged(came, send, what, lambda answer, what: reply.uploaded_file(answer, what, facts))

    return repeated(attempt, settings, deadline)


def _told(cause: SourceError, text: str) -> SourceError:
    error = SourceError(text)
    error.__cause__ = cause
    return error
