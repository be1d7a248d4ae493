"""The command `anchor-uploads` (extra `[cli]`): upload, attach, drop, session, serve, doctor, demo, completion.

Exit status, the first that applies:

130  interrupted: by Ctrl-C, by SIGTERM, by the end of the terminal; but `serve`, which all of these end, by Ctrl-C only
2    the command cannot be carried out as it was given; nothing was sent
3    the API key is missing from the service's view, wrong, or not allowed to do this
4    there is no such session
1    an upload or another request failed, or stdout does not take what was to be printed
0    all of it was done

The API key comes from the environment only. What stands on a command line can be read by everyone on the machine
(`ps`), and the shell writes it into its history.
"""

from __future__ import annotations

from collections.abc import Sequence

from anchor_uploads import (
    AnchorUploadsError,
    AuthenticationFailed,
    InvalidArgument,
    SessionNotFound,
    UploadsInterrupted,
)
from anchor_uploads.cli._streams import complain, safe_streams
from anchor_uploads.cli._words import in_words_of_the_command
from anchor_uploads.cli.interruption import like_ctrl_c

__all__ = ["main"]

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
_STATUSES = {InvalidArgument: MISUSED, AuthenticationFailed: 3, SessionNotFound: 4}


def status_of(error: Exception) -> int:
    """Return the exit status that an error means."""
    return next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), FAILED)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status. Errors become one line on stderr."""
    with safe_streams() as stdout:
        status = _status(arguments)
        return status or (FAILED if stdout.failed else DONE)


def _status(arguments: Sequence[str] | None) -> int:
    try:
        with like_ctrl_c():
            return _run(arguments)
    except KeyboardInterrupt as interruption:
        return _fail(_interrupted(interruption), INTERRUPTED)
    except ModuleNotFoundError as missing:
        package = str(missing.name).partition(".")[0]
        extra = "playwright" if package == "playwright" else "cli"
        return _fail(f'the package {package!r} is missing; run: pip install "anchor-uploads[{extra}]"', FAILED)
    except (AnchorUploadsError, ImportError, OSError, RuntimeError) as error:
        return _fail(in_words_of_the_command(error), status_of(error))


def _run(arguments: Sequence[str] | None) -> int:
    import click

    from anchor_uploads.cli.commands import app

    try:
        status: int | None = app.main(arguments, prog_name="anchor-uploads", standalone_mode=False)
    except click.Abort as abort:
        raise abort.__cause__ or KeyboardInterrupt from None
    except click.ClickException as error:
        error.show()
        return MISUSED
    return status or DONE


def _interrupted(interruption: KeyboardInterrupt) -> str:
    if not isinstance(interruption, UploadsInterrupted):
        return "interrupted"
    report = interruption.report
    return f"interrupted; {len(report.uploaded)} uploaded, {len(report.failed)} failed, the others were not begun"


def _fail(text: str, status: int) -> int:
    complain(text)
    return status
