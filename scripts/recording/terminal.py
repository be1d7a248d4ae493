"""A command on a terminal of POSIX, so many columns wide."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence


def on_a_terminal(command: Sequence[str], columns: int, environment: Mapping[str, str]) -> str:
    """Return what a command writes to its terminal, with all that moves the cursor. It has to end with status 0."""
    if sys.platform == "win32":
        raise NotImplementedError("Windows has no terminal of POSIX")
    import fcntl
    import pty
    import struct
    import termios

    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    # These would be believed before the terminal.
    clean = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")}
    with subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=clean) as process:
        os.close(its)
        shown = b""
        try:
            while block := os.read(ours, 65536):
                shown += block
        except OSError:
            # How Linux says that nobody has the other end open any more.
            pass
        os.close(ours)
    assert process.returncode == 0, shown.decode()
    return shown.decode()
