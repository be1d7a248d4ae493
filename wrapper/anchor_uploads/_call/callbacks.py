"""Functions of the caller's, called in the midst of an upload or a batch, and what they are told."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from attrs import frozen

from anchor_uploads.errors import InvalidArgument


@frozen
class UploadProgress:
    """How far one attempt to upload a file is.

    Attributes:
        name: The file's name.
        sent: Its bytes that were sent.
        total: All its bytes.
        attempt: Which attempt, from 1 on.
    """

    name: str
    sent: int
    total: int
    attempt: int


ProgressCallback = Callable[[UploadProgress], object]


def called(callback: Callable[[Any], object], what: object) -> object:
    """Call a caller's function, in the midst of an iteration, of which nothing that it raises may pass for the end."""
    try:
        return callback(what)
    except (StopIteration, StopAsyncIteration) as error:
        raise no_end(error) from error


def no_end(error: Exception) -> RuntimeError:
    return RuntimeError(f"a callback raised {type(error).__name__}")


def tell(callback: Callable[[Any], object], what: object) -> None:
    """Call a caller's function. Raises what it raises, and `InvalidArgument` if it has to be awaited."""
    if inspect.isawaitable(awaitable := called(callback, what)):
        if inspect.iscoroutine(awaitable):
            awaitable.close()
        name = "on_progress" if isinstance(what, UploadProgress) else "on_result"
        raise InvalidArgument(f"{name} has to be awaited; pass one that has not, or use AsyncUploadClient")


def check_callback(callback: object, name: str = "on_progress", takes: str = "UploadProgress") -> None:
    """Raise `InvalidArgument` for what cannot be called."""
    if callback is not None and not callable(callback):
        raise InvalidArgument(f"{name} must be a function that takes {takes}, or None, not {callback!r}")
