"""Where a Chromium-family browser is on this machine."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["BROWSER_VARIABLE", "BrowserNotFound", "find_browser"]

BROWSER_VARIABLE = "ANCHOR_UPLOADS_BROWSER"


class BrowserNotFound(RuntimeError):
    """No Chrome, Chromium or Edge is here, or not where `ANCHOR_UPLOADS_BROWSER` says."""

    def __init__(self, problem: str = "no Chrome, Chromium or Edge was found here") -> None:
        super().__init__(
            f"{problem}; install one (for example: playwright install chromium), "
            f"or set {BROWSER_VARIABLE} to the path of its executable"
        )


def find_browser() -> Path | None:
    """Return the executable of a Chromium-family browser. Starts nothing.

    Looks at `ANCHOR_UPLOADS_BROWSER`, then for an installed Chrome, Chromium or Edge, then for what Playwright has
    downloaded.

    Returns:
        Its path, or None if there is none.

    Raises:
        BrowserNotFound: `ANCHOR_UPLOADS_BROWSER` is set, but not to an executable file.
    """
    chosen = os.environ.get(BROWSER_VARIABLE)
    if chosen:
        path = Path(chosen).expanduser()
        if not _is_executable(path):
            raise BrowserNotFound(f"{BROWSER_VARIABLE} is {chosen!r}, which cannot be executed")
        return path.absolute()
    return next((path for path in _candidates() if _usable(path)), None)


def _candidates() -> Iterator[Path]:
    if sys.platform == "win32":
        names = ["chrome", "chromium", "msedge"]
    else:
        names = [
            "google-chrome-stable",
            "google-chrome",
            "chromium",
            "chromium-browser",
            "microsoft-edge-stable",
            "microsoft-edge",
        ]
    for name in names:
        found = shutil.which(name)
        if found:
            yield Path(found)
    yield from _install_locations()
    yield from _playwright_downloads()


def _install_locations() -> Iterator[Path]:
    if sys.platform == "win32":
        for variable in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"):
            folder = os.environ.get(variable)
            if folder:
                yield Path(folder, "Google", "Chrome", "Application", "chrome.exe")
                yield Path(folder, "Chromium", "Application", "chrome.exe")
                yield Path(folder, "Microsoft", "Edge", "Application", "msedge.exe")
    elif sys.platform == "darwin":
        for name in ("Google Chrome", "Chromium", "Microsoft Edge"):
            for folder in (Path("/Applications"), Path.home() / "Applications"):
                yield folder / f"{name}.app" / "Contents" / "MacOS" / name
    else:
        yield Path("/opt/google/chrome/chrome")
        yield Path("/usr/lib/chromium/chromium")
        yield Path("/opt/microsoft/msedge/msedge")


_PLAYWRIGHT_EXECUTABLES = (
    "chromium-*/chrome-linux*/chrome",
    "chromium-*/chrome-mac*/*.app/Contents/MacOS/*",
    "chromium-*/chrome-win*/chrome.exe",
    "chromium_headless_shell-*/chrome-*/headless_shell",
    "chromium_headless_shell-*/chrome-*/headless_shell.exe",
    "chromium_headless_shell-*/chrome-*/chrome-headless-shell",
    "chromium_headless_shell-*/chrome-*/chrome-headless-shell.exe",
)


def _playwright_downloads() -> Iterator[Path]:
    cache = _playwright_cache()
    if cache is None:
        return
    for pattern in _PLAYWRIGHT_EXECUTABLES:
        for path in sorted(_glob(cache, pattern), key=lambda p: _revision(cache, p), reverse=True):
            # Playwright writes the marker last: without it the download broke off.
            if (cache / path.relative_to(cache).parts[0] / "INSTALLATION_COMPLETE").exists():
                yield path


def _playwright_cache() -> Path | None:
    chosen = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    if chosen == "0":
        package = importlib.util.find_spec("playwright")
        if package is None or package.origin is None:
            return None
        return Path(package.origin).parent / "driver" / "package" / ".local-browsers"
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        folder = os.environ.get("LOCALAPPDATA")
        return Path(folder, "ms-playwright") if folder else None
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "ms-playwright"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ms-playwright"


def _glob(folder: Path, pattern: str) -> Iterable[Path]:
    try:
        return list(folder.glob(pattern))
    except OSError:
        return []


def _revision(cache: Path, path: Path) -> int:
    revision = path.relative_to(cache).parts[0].rpartition("-")[2]
    return int(revision) if revision.isdigit() else -1


def _usable(path: Path) -> bool:
    return _is_executable(path) and not _confined_by_snap(path)


def _is_executable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _confined_by_snap(path: Path) -> bool:
    # A snap has a /tmp of its own: it would see neither its profile nor the uploads.
    try:
        if "snap" in path.resolve().parts:
            return True
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError:
        return False
    return start.startswith(b"#!") and b"/snap/bin/" in start
