"""One headless Chromium with a profile of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from anyio import CancelScope, to_thread

from anchor_uploads.local.clock import monotonic
from anchor_uploads.local.disk.removal import remove_tree

__all__ = ["NO_SANDBOX_VARIABLE", "BrowserFailed", "BrowserProcess", "remove_browser"]

NO_SANDBOX_VARIABLE = "ANCHOR_UPLOADS_NO_SANDBOX"

_FLAGS = (
    "--headless=new",
    "--remote-debugging-port=0",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # The address bar's suggestions are pages of their own in newer ones, made at every start. Nobody sees that bar, and
    # they take longer than all the rest.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup",
    "--no-first-run",
    "--no-default-browser-check",
    # Containers often give /dev/shm 64 MiB, and a renderer that fills it crashes.
    "--disable-dev-shm-usage",
    # Else macOS and desktop Linux may ask the user to unlock a key ring.
    "--password-store=basic",
    "--use-mock-keychain",
)
_ACTIVE_PORT = re.compile(r"(\d+)\n(/devtools/browser/[0-9a-f-]{36})\s*")


class BrowserFailed(RuntimeError):
    """The browser did not start, or would not stop. The message ends with its last words."""


class BrowserProcess:
    """A running browser. `await BrowserProcess.start(…)`, and `await browser.stop()` when done."""

    def __init__(self, process: asyncio.subprocess.Process, profile: Path) -> None:
        self._process = process
        self._profile = profile
        self._devtools_url: str | None = None
        self._beside: Path | None = None

    def __repr__(self) -> str:
        # Whoever knows the DevTools address controls the browser, so it stays out.
        return f"<BrowserProcess pid={self.pid} running={self.running}>"

    @property
    def pid(self) -> int:
        """The process id of the browser's main process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """False once the main process has ended, whoever ended it."""
        return self._process.returncode is None

    @property
    def devtools_url(self) -> str:
        """The WebSocket address of the browser's own DevTools. Treat it like a password."""
        if self._devtools_url is None:
            raise BrowserFailed("the browser has not started yet")
        return self._devtools_url

    @classmethod
    async def start(
        cls,
        executable: Path,
        profile: Path,
        *,
        url: str = "about:blank",
        ready_within: float = 30.0,
    ) -> BrowserProcess:
        """Start `executable` on the page `url` and wait until DevTools answers.

        `profile` is created (mode 0700) and must not exist; it is removed when the browser stops.
        Raises `BrowserFailed` if the browser ends or is not ready after `ready_within` seconds, and
        `OSError` if it cannot be executed. Nothing is left then, nor if this call is cancelled.
        """
        await to_thread.run_sync(lambda: profile.mkdir(mode=0o700))
        try:
            # A file instead of a pipe: a pipe that nobody reads stops the browser when it is full.
            with _log(profile).open("wb") as log:
                process = await asyncio.create_subprocess_exec(
                    executable,
                    *_arguments(profile),
                    url,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=_environment(profile),
                    # Ctrl-C in the terminal is ours to handle; the browser is stopped in order.
                    start_new_session=True,
                    creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                )
        except BaseException:
            with CancelScope(shield=True):
                await to_thread.run_sync(_kill, None, profile)
                await to_thread.run_sync(remove_tree, profile)
            raise
        browser = cls(process, profile)
        try:
            await browser._wait_until_ready(executable, ready_within)
        except BaseException:
            await browser.stop()
            raise
        return browser

    async def died(self) -> str:
        """Wait until the main process has ended, and tell how; the words go on after "its browser "."""
        code = await self._process.wait()
        if code < 0:
            return f"was killed by signal {-code}"
        return "was closed by a client" if code == 0 else f"ended with exit code {code}"

    async def stop(self) -> None:
        """End the whole process tree and remove the profile. Safe to call again.

        Raises `BrowserFailed` if a process survives, `OSError` if the profile cannot be removed.
        """
        with CancelScope(shield=True):
            await to_thread.run_sync(_kill, self.pid if self.running else None, self._profile)
            await self._process.wait()
            # A browser stopped while starting has not been asked yet; one that a client closed
            # can no longer be asked.
            await to_thread.run_sync(_remove_files, self._profile, self._beside)

    async def _wait_until_ready(self, executable: Path, seconds: float) -> None:
        deadline = monotonic() + seconds
        while self._devtools_url is None:
            if not self.running:
                problem = f"ended with exit code {self._process.returncode} before it was ready"
                raise BrowserFailed(_explain(executable, problem, self._profile))
            if monotonic() > deadline:
                problem = f"was not ready within {seconds:g} seconds"
                raise BrowserFailed(_explain(executable, problem, self._profile))
            await asyncio.sleep(0.02)
            self._devtools_url = _read_devtools_url(self._profile)
        self._beside = _singleton_directory(self._profile)


def remove_browser(profile: Path) -> None:
    """End the browser that was started with `profile` by a process that is gone, and remove the profile. Blocks.

    Raises `BrowserFailed` if a process survives, `OSError` if the profile cannot be removed.
    """
    if profile.exists():
        _kill(None, profile)
        _remove_files(profile, None)


def _remove_files(profile: Path, beside: Path | None) -> None:
    beside = beside or _singleton_directory(profile)
    remove_tree(profile)
    if beside is not None:
        remove_tree(beside)


def _arguments(profile: Path) -> Iterator[str]:
    yield from _FLAGS
    yield f"--user-data-dir={profile}"
    if _without_sandbox():
        yield "--no-sandbox"


def _environment(profile: Path) -> dict[str, str]:
    # On Linux, both would otherwise write into the user's home: the crash handlers into
    # ~/.config, where they also could not be told from those of the user's own browser.
    return {
        **os.environ,
        "BREAKPAD_DUMP_LOCATION": str(profile / "Crash Reports"),
        "GSETTINGS_BACKEND": "memory",
    }


def _without_sandbox() -> bool:
    if os.environ.get(NO_SANDBOX_VARIABLE, "") not in ("", "0"):
        return True
    # Chromium refuses to run as root with its sandbox.
    return sys.platform != "win32" and os.geteuid() == 0


def _read_devtools_url(profile: Path) -> str | None:
    try:
        text = (profile / "DevToolsActivePort").read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    # A half-written file does not match, and is read again.
    found = _ACTIVE_PORT.fullmatch(text)
    return f"ws://127.0.0.1:{found[1]}{found[2]}" if found else None


def _log(profile: Path) -> Path:
    return profile / "browser.log"


def _explain(executable: Path, problem: str, profile: Path) -> str:
    try:
        text = _log(profile).read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    lines = [line for line in text.splitlines() if "DevTools listening" not in line][-10:]
    advice = ""
    if "sandbox" in text:
        advice = f" If its sandbox cannot work here, set {NO_SANDBOX_VARIABLE}=1."
    words = "\n  ".join(lines) if lines else "(nothing)"
    return f"{executable} {problem}.{advice} Its last words:\n  {words}"


def _singleton_directory(profile: Path) -> Path | None:
    """Return the directory that Chromium makes in the system's temporary directory and never removes."""
    try:
        directory = Path(os.readlink(profile / "SingletonSocket")).parent
    except OSError:
        return None
    # We are about to remove it, so be sure that it is the browser's.
    pattern = r"\.?(org\.chromium|com\.google|com\.microsoft)\..+"
    made_by_browser = re.fullmatch(pattern, directory.name)
    return directory if made_by_browser and directory.is_absolute() else None


def _kill(pid: int | None, profile: Path, *, timeout: float = 10.0) -> None:
    deadline = monotonic() + timeout
    victims = _tree(pid)
    while True:
        for process in victims:
            with contextlib.suppress(psutil.Error):
                process.kill()
        while any(map(_alive, victims)) and monotonic() < deadline:
            time.sleep(0.01)
        # What was forked while we looked, and what lost its parent, still names the profile.
        victims = [*filter(_alive, victims), *filter(_alive, _users_of(profile))]
        if not victims:
            return
        if monotonic() > deadline:
            pids = ", ".join(str(process.pid) for process in victims)
            raise BrowserFailed(f"the browser's processes {pids} would not end; end them by hand")


def _tree(pid: int | None) -> list[psutil.Process]:
    if pid is None:
        return []
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def _users_of(profile: Path) -> list[psutil.Process]:
    # The crash handlers detach themselves from the tree; they have a database in the profile.
    marks = (f"--user-data-dir={profile}", f"--database={profile}")
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        # Joined, because Chromium rewrites the command line of its children into one argument.
        if any(mark in " ".join(process.info["cmdline"] or ()) for mark in marks)
    ]


def _alive(process: psutil.Process) -> bool:
    try:
        # A zombie holds nothing; the event loop or init has yet to collect it.
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
