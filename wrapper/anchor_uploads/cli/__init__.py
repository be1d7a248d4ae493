"""The command `anchor-uploads`: upload, session, serve, demo. Each is a module of its own.

Exit status: 0 done; 1 an upload or a request failed; 2 the command was not understood; 130 interrupted.

The API key comes from the environment only. What stands on a command line can be read by everyone on the machine
(`ps`), and the shell writes it into its history.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from anchor_uploads import AnchorUploadsError, InvalidArgument, __version__
from anchor_uploads.cli import demo, serve, session, upload

__all__ = ["main"]

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status. Errors become one line on stderr."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("anchor-uploads: interrupted", file=sys.stderr)
        return INTERRUPTED
    except InvalidArgument as error:
        return _fail(error, MISUSED)
    except BrokenPipeError:
        # Whoever read our output has heard enough; Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (AnchorUploadsError, ImportError, OSError, RuntimeError) as error:
        return _fail(error, FAILED)


def _fail(error: Exception, status: int) -> int:
    print(f"anchor-uploads: {' '.join(str(error).split())}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="anchor-uploads",
        description="Put files into Anchor Browser sessions.",
        epilog="The API key is read from ANCHORBROWSER_API_KEY, never from the command line: there everyone on the "
        "machine could read it, and the shell would keep it in its history.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (upload, session, serve, demo):
        command.add_to(commands)
    return parser
