"""Make what the scripts need, out of nothing but a Python and a network.

`ensure(kind)` gives the Python of a virtual environment that holds exactly a hashed lock:

    demo       .venv            scripts/requirements/demo.txt   the project and all its extras
    dev        .venv            scripts/requirements/dev.txt    a superset of demo, for tests and checks
    generate   .venv-generate   scripts/requirements/generate.txt   the code generators, Python >= 3.11

A stamp, written last, says what an environment holds. No stamp means that somebody pulled the plug, and the
environment is made afresh; so interrupting a run at any point is safe, and a second run costs next to nothing.

Standard library only. The syntax stays that of Python 3.6, so that an old Python can say that it is old.
"""

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO, NoReturn

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CACHE = os.path.join(ROOT, ".cache")
NEWEST = 13
WINDOWS = os.name == "nt"

# Changing how environments are made must remake those made the old way.
RECIPE = "1"

PLAYWRIGHT_DOWNLOAD_SECONDS = 300
APT_SECONDS = 600


class Problem(Exception):
    """Something the reader has to do something about; the message says what."""


class Kind:
    def __init__(self, directory: str, locks: "list[str]", minimum: int, project: bool) -> None:
        self.directory = os.path.join(ROOT, directory)
        self.locks = [os.path.join(ROOT, "scripts", "requirements", lock) for lock in locks]
        self.minimum = (3, minimum)
        self.project = project


# build.txt is the build backend: with it locked, too, installing the project fetches nothing unchecked.
KINDS = {
    "demo": Kind(".venv", ["demo.txt", "build.txt"], 10, True),
    "dev": Kind(".venv", ["dev.txt", "build.txt"], 10, True),
    "generate": Kind(".venv-generate", ["generate.txt"], 11, False),
}
SATISFIED_BY = {"demo": ("demo", "dev"), "dev": ("dev",), "generate": ("generate",)}


def run(script: "Callable[[], object]", usage: "str | None" = None) -> None:
    """Run the body of a script under a Python that is new enough; a problem becomes one message and status 3.

    `usage` is what a script without a parser of its own answers to `--help`, before anything is made.
    """
    try:
        signal.signal(signal.SIGTERM, _terminated)
        if sys.version_info < KINDS["demo"].minimum:
            hand_over([_find_python(KINDS["demo"].minimum), *sys.argv])
        if usage is not None and {"-h", "--help"} & set(sys.argv[1:]):
            sys.stdout.write(usage.strip() + "\n")
            return
        script()
    except Problem as problem:
        # Not 1 or 2, which are verdicts of some scripts.
        sys.stderr.write(f"{os.path.basename(sys.argv[0])}: {problem}\n")
        sys.exit(3)
    except KeyboardInterrupt:
        sys.exit(130)


def hand_over(command: "list[str]", directory: "str | None" = None, **environment: str) -> "NoReturn":
    """Become `command`.

    Where the system can, really become it: then Ctrl-C and `kill` reach the one process there is, exactly once.
    Windows has no such thing (its exec returns to the shell at once), so there this process waits.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if directory is not None:
        os.chdir(directory)
    variables = dict(os.environ, **environment)
    if not WINDOWS:
        os.execve(command[0], command, variables)  # noqa: S606  no shell is the point
    process = subprocess.Popen(command, env=variables)
    while True:
        try:
            sys.exit(process.wait())
        except KeyboardInterrupt:
            # The console told the child as well; how to end is its decision.
            continue


def ensure(kind: str) -> str:
    """Return the path of the Python of an environment that holds `kind`, made or completed if need be."""
    directory = KINDS[kind].directory
    if not _is_current(kind):
        with _only_one(os.path.basename(directory)):
            if not _is_current(kind):
                _make(kind)
    return _python_of(directory)


def ensure_browser(python: str) -> "str | None":
    """Return the path of a Chromium, installed if need be and possible; None, and advice on stderr, otherwise."""
    named = os.environ.get("ANCHOR_UPLOADS_BROWSER")
    if named:
        return named
    remembered = os.path.join(CACHE, "browser")
    with contextlib.suppress(OSError), open(remembered, encoding="utf-8") as file:
        path = file.read()
        if os.path.isfile(path):
            return path
    with _only_one("browser"):
        found = _working_browser(python)
        if found is None and not os.path.exists(remembered):
            for attempt in (_browser_by_playwright, _browser_by_apt):
                if attempt(python):
                    found = _working_browser(python)
                if found is not None:
                    break
        # Also remembered when empty: what could not be installed once is not tried on every run.
        with open(remembered, "w", encoding="utf-8") as file:
            file.write(found or "")
    if found is None:
        _say(
            "no Chrome, Chromium or Edge was found, and none could be installed. What needs no browser is shown all "
            "the same.\n  To see the rest, install one, or name one in ANCHOR_UPLOADS_BROWSER; Playwright's is had by\n"
            f"  {python} -m playwright install --with-deps chromium"
        )
    return found


# Environments ---------------------------------------------------------------------------------------------------


def _make(kind: str) -> None:
    holds = _stamp(KINDS[kind].directory)
    if kind == "demo" and "dev" in holds:
        kind = "dev"
    wanted = KINDS[kind]
    directory, python = wanted.directory, _python_of(wanted.directory)
    stamp = os.path.join(directory, "stamp")
    grows = kind == "dev" and _holds_lock(holds, "demo")
    if os.path.exists(python) and (_holds_lock(holds, kind) or grows):
        os.unlink(stamp)
    else:
        base = _find_python(wanted.minimum)
        if os.path.lexists(directory):
            with _step(f"removing {_shown(directory)}, which is unfinished or out of date"):
                _remove(directory)
        holds = {}
        with _step(f"making {_shown(directory)} with {base}"):
            _quietly([base, "-m", "venv", directory])
    pip = [python, "-I", "-m", "pip", "--disable-pip-version-check", "--no-input"]
    if not _holds_lock(holds, kind):
        # One call for all locks: should they disagree, pip refuses.
        install = [*pip, "install", "--require-hashes"]
        for lock in wanted.locks:
            install += ["-r", lock]
        names = " and ".join(_shown(lock) for lock in wanted.locks)
        with _step(f"installing what {names} pins"):
            # Installing for the user, as some set in their configuration, is what an environment cannot do.
            _quietly(install, PIP_USER="0")
    if wanted.project:
        # A real editable install, by the locked backend, rather than a .pth file of our own: it brings the console
        # command on every system (an .exe on Windows), the version, and the entry point that pytest looks for.
        with _step("installing the project, editable"):
            _quietly([*pip, "install", "--no-deps", "--no-build-isolation", "--no-index", "-e", ROOT], PIP_USER="0")
    aside = stamp + ".new"
    with open(aside, "w", encoding="utf-8") as file:
        file.write(f"{kind} {_hash(wanted.locks)}\nproject {_project_hash()}\nbase {_base(directory)}\n")
    os.replace(aside, stamp)


def _is_current(kind: str) -> bool:
    wanted = KINDS[kind]
    holds = _stamp(wanted.directory)
    return (
        any(_holds_lock(holds, other) for other in SATISFIED_BY[kind])
        and (not wanted.project or holds.get("project") == _project_hash())
        # False, too, for a link to an interpreter that has been uninstalled.
        and os.path.exists(_python_of(wanted.directory))
    )


def _holds_lock(holds: "dict[str, str]", kind: str) -> bool:
    return holds.get(kind) == _hash(KINDS[kind].locks)


def _stamp(directory: str) -> "dict[str, str]":
    try:
        with open(os.path.join(directory, "stamp"), encoding="utf-8") as file:
            holds = dict(line.split() for line in file)
    except (OSError, ValueError):
        return {}
    return holds if holds.get("base") == _base(directory) else {}


def _hash(paths: "list[str]") -> str:
    digest = hashlib.sha256(RECIPE.encode())
    for path in paths:
        with open(path, "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def _project_hash() -> str:
    return _hash([os.path.join(ROOT, "pyproject.toml")])


def _base(directory: str) -> str:
    """Return what an environment stands on: its interpreter, exchanged at times by an upgrade, and its place.

    Its commands name both, so one that was moved or copied has to be made anew.
    """
    path = os.path.join(directory, "pyvenv.cfg")
    digest = hashlib.sha256(directory.encode("utf-8", "surrogateescape"))
    with contextlib.suppress(OSError), open(path, "rb") as file:
        digest.update(file.read())
    return digest.hexdigest()


def _python_of(directory: str) -> str:
    return os.path.join(directory, *(("Scripts", "python.exe") if WINDOWS else ("bin", "python")))


def _remove(directory: str) -> None:
    try:
        if os.path.islink(directory) or not os.path.isdir(directory):
            os.unlink(directory)
        else:
            shutil.rmtree(directory)
    except OSError as error:
        raise Problem(
            f"cannot remove {_shown(directory)} ({error}). Close what uses it (an activated shell, an editor), "
            "then run this again."
        ) from None


# Interpreters ---------------------------------------------------------------------------------------------------

# Understood by any Python there is; the version comes first, so that it is known even if the imports fail.
PROBE = (
    "import sys; print('%d %d' % sys.version_info[:2]); print(getattr(sys, '_base_executable', sys.executable));"
    "sys.stdout.flush(); import ensurepip, venv"
)


def _find_python(minimum: "tuple[int, int]") -> str:
    """Return a Python that is new enough and can make environments: the one that runs this if it will do."""
    incapable = None
    for candidate in _candidates(minimum):
        try:
            probe = subprocess.run(
                [*candidate, "-I", "-c", PROBE],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                timeout=20,
                check=False,
            )
            version_line, path = probe.stdout.splitlines()
            version = tuple(int(part) for part in version_line.split())
        except (OSError, ValueError, subprocess.TimeoutExpired):
            # A version manager's stub for a version that is not active, or the shop's on Windows.
            continue
        if version < minimum:
            continue
        if probe.returncode == 0:
            return path
        incapable = incapable or path
    if incapable is not None:
        raise Problem(
            f"{incapable} cannot make virtual environments: its venv or ensurepip module is missing. "
            "On Debian and Ubuntu: apt-get install python3-venv. Then run this again."
        )
    this = "{}.{}".format(*sys.version_info)
    raise Problem(
        f"needs Python >= 3.{minimum[1]}; this is Python {this}, and none of python3.{NEWEST} ... "
        f"python3.{minimum[1]} on PATH is one that runs. Install one (python.org, or your system's packages), "
        "then run this again."
    )


def _candidates(minimum: "tuple[int, int]") -> "Iterator[list[str]]":
    yield [sys.executable]
    names = [f"python3.{minor}" for minor in range(NEWEST, minimum[1] - 1, -1)]
    names += ["python3", "python"]
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    for name in names:
        if WINDOWS and shutil.which("py"):
            yield ["py", name.replace("python", "-")]
        # Every one on PATH, not only the first: that may be a stub that fails.
        for folder in folders:
            path = shutil.which(name, path=folder)
            if path:
                yield [path]


# Browsers -------------------------------------------------------------------------------------------------------


def _working_browser(python: str) -> "str | None":
    """Return what the project itself would use, if it starts."""
    found = subprocess.run(
        [python, "-c", "from anchor_uploads.local import find_browser; print(find_browser() or '')"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        check=False,
    ).stdout.strip()
    # On Windows Chrome does not know --version and opens a window; there nothing is missing either, unlike on a bare
    # Linux, where a downloaded browser often lacks the system's libraries.
    if found and not WINDOWS:
        with contextlib.suppress(Problem):
            _quietly([found, "--version"], timeout=20)
            return found
        return None
    return found or None


def _browser_by_playwright(python: str) -> bool:
    try:
        with _step("no browser installed: downloading Playwright's Chromium"):
            _quietly([python, "-m", "playwright", "install", "chromium"], PLAYWRIGHT_DOWNLOAD_SECONDS)
    except Problem:
        return False
    return True


def _browser_by_apt(_python: str) -> bool:
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if not root or shutil.which("apt-get") is None:
        return False
    packages = ["chromium", "fonts-liberation"]
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        with _step("apt-get update"):
            _quietly(["apt-get", "update"], APT_SECONDS)
        with _step("apt-get install " + " ".join(packages)):
            _quietly(["apt-get", "install", "-y", "--no-install-recommends", *packages], APT_SECONDS, **environment)
    except Problem:
        return False
    return True


# Running and telling --------------------------------------------------------------------------------------------

_held: "list[IO[str]]" = []

UNREACHABLE = (
    "NewConnectionError",
    "NameResolutionError",
    "ConnectTimeoutError",
    "name resolution",
    "getaddrinfo",
    "Network is unreachable",
    "Cannot connect to proxy",
)


def _quietly(command: "list[str]", timeout: "float | None" = None, **environment: str) -> None:
    """Run to the end, output kept back; a failure shows its last lines."""
    with tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace") as output:
        inherited = () if WINDOWS else tuple(file.fileno() for file in _held)
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(os.environ, **environment),
            # A group of its own, so that it can be ended together with what it started.
            start_new_session=not WINDOWS,
            # Should this process be killed, the lock stays taken until the last child has stopped writing.
            pass_fds=inherited,
        )
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            _end(process)
            raise Problem(f"gave up after {timeout} s: {' '.join(command)}") from None
        except BaseException:
            _end(process)
            raise
        output.seek(0)
        lines = output.read().splitlines()
    if status == 0:
        return
    advice = ""
    if any(sign in line for line in lines for sign in UNREACHABLE):
        advice = (
            "\nThe package index could not be reached. Check the network (or pip's own settings: `pip config list`), "
            "then run this again."
        )
    last = "\n".join(lines[-12:])
    raise Problem(f"this failed with status {status}: {' '.join(command)}\n{last}{advice}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    if WINDOWS:
        taskkill = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
        subprocess.call(taskkill, stdout=subprocess.DEVNULL)
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def _only_one(what: str) -> "Iterator[None]":
    """Two runs at once must not both build. The system drops this lock when its holders end, however they end."""
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, "bootstrap.lock"), "w", encoding="utf-8") as file:
        if not _try_lock(file):
            with _step(f"waiting for another run that is setting up {what}"):
                while not _try_lock(file):
                    time.sleep(0.2)
        _held.append(file)
        try:
            yield
        finally:
            _held.remove(file)


def _try_lock(file: "IO[str]") -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        # A file system without locks: better unguarded than not at all.
        return True
    return True


@contextlib.contextmanager
def _step(text: str) -> "Iterator[None]":
    started = time.monotonic()
    sys.stderr.write(f"{text} ... ")
    sys.stderr.flush()
    try:
        yield
    except BaseException:
        sys.stderr.write("no\n")
        raise
    sys.stderr.write(f"{time.monotonic() - started:.1f} s\n")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _shown(path: str) -> str:
    return os.path.relpath(path, ROOT) if path.startswith(ROOT) else path


def _terminated(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)
