"""Stdout and stderr, which may be closed, full, or read by nobody: none of that ends a command in its midst."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, TextIO, cast

from anchor_uploads._human import printable


def say(line: str, *, done: str = "") -> None:
    """Print a line on stdout. done: what of it tells of something done, and is not lost though nobody reads stdout."""
    try:
        print(line, flush=True)
    except OSError as error:
        if done or not isinstance(error, BrokenPipeError):
            told = (done or line).partition("\n")[0]
            complain(f"stdout cannot be written ({error.strerror}); it was to say: {told}")


def complain(text: str) -> None:
    """Print a complaint, one line, on stderr."""
    print(f"anchor-uploads: {printable(text)}", file=sys.stderr)


class Stream:
    """Stdout or stderr, and whether it could be written so far. Of stderr it matters to nobody that it could not.

    Attributes:
        failed: Whether something could not be written.
    """

    def __init__(self, stream: TextIO, *, matters: bool) -> None:
        self.failed = False
        self._stream = stream
        self._matters = matters

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._noting():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._noting():
            self._stream.flush()

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failed = True
            if not self._matters:
                return
            # How Windows calls a pipe whose other end is closed.
            if error.errno == errno.EINVAL:
                raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from error
            error.filename = "stdout"
            raise


@contextmanager
def safe_streams() -> Iterator[Stream]:
    """Let no stream, missing or unwritable, and no letter that it cannot write, end the command. Gives stdout."""
    # Of three streams that were closed (`<&-`), the descriptors would go to the next files opened.
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    before = sys.stdout, sys.stderr
    with ExitStack() as stack:
        streams = [stream or stack.enter_context(open(os.devnull, "w", encoding="utf-8")) for stream in before]
        for stream in streams:
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        stdout, stderr = (Stream(stream, matters=stream is streams[0]) for stream in streams)
        sys.stdout, sys.stderr = cast(TextIO, stdout), cast(TextIO, stderr)
        try:
            yield stdout
        finally:
            sys.stdout, sys.stderr = before
            for stream in streams:
                _settle(stream)


def _settle(stream: TextIO) -> None:
    """Let nothing be left that Python would try to write at its end, and change the exit status over it."""
    try:
        stream.flush()
    except OSError:
        with suppress(OSError), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
