"""The browser that the demo and the tests need, installed where that can be done."""

import ast
import contextlib
import os
import shlex
import shutil
import subprocess
import sys
from functools import partial

from _environment import APT, CACHE, CAN_APT, WINDOWS, Problem, by_apt, doing, only_one, quietly


def ensure_browser(python: str) -> "str | None":
    """Return the path of a Chromium, installed if need be and possible; None, and advice on stderr, otherwise."""
    if os.environ.get("ANCHOR_UPLOADS_BROWSER"):
        return os.environ["ANCHOR_UPLOADS_BROWSER"]
    playwright, packages = [python, "-m", "playwright"], ["chromium", "fonts-liberation"]

    def by_playwright(what: str) -> None:
        doing(f"playwright {what} chromium", [*playwright, what, "chromium"], timeout=600)

    attempts = [partial(by_playwright, "install")]
    if CAN_APT:
        # Where the distribution has no Chromium, Playwright's may lack nothing but libraries.
        attempts += [partial(by_apt, *packages), partial(by_playwright, "install-deps")]
    tried = os.path.join(CACHE, "no-browser")
    found = _working_browser(python)
    for attempt in [] if os.path.exists(tried) else attempts:
        if found is None:
            with contextlib.suppress(Problem), only_one("a browser"):
                attempt()
            found = _working_browser(python)
    if found is None:
        # What could not be installed once is not tried on every run.
        open(tried, "wb").close()
        lines = [["sudo", *APT, *packages]] if shutil.which("apt-get") else []
        lines += [[*playwright, "install", "--with-deps", "chromium"]]
        sys.stderr.write(
            "no Chrome, Chromium or Edge that starts was found, and none could be installed. What needs no browser is "
            "shown all the same.\n  To see the rest, name one in ANCHOR_UPLOADS_BROWSER, or install one:\n"
            + "".join(f"  {' '.join(map(shlex.quote, line))}\n" for line in lines)
        )
    return found


def _working_browser(python: str) -> "str | None":
    """Return what the project itself would use, if it starts: what was downloaded may lack the system's libraries."""
    # As ASCII, which every code page writes.
    code = "from anchor_uploads.local import find_browser; print(ascii(str(find_browser() or '')))"
    told = subprocess.run([python, "-c", code], capture_output=True, encoding="ascii", errors="replace", check=False)
    found = ast.literal_eval(told.stdout) if told.stdout else ""
    # On Windows Chrome does not know --version and opens a window, and no library is missing.
    if found and not WINDOWS:
        with contextlib.suppress(Problem, OSError):
            quietly([found, "--version"], timeout=20)
            return found
        return None
    return found or None
