"""Make what the scripts need, out of nothing but a Python and a network.

`ensure(kind)` gives the Python of an environment that holds exactly the hashed requirements of its kind. uv makes it,
itself installed by its hash, and finds or fetches a Python where the one that runs this is too old. A stamp, written
last, says what an environment holds; without the right one it is made afresh, so a run can be interrupted anywhere.

Standard library only, in the syntax of Python 3.6, so that an old Python can say that it is old.
"""

import ast
import contextlib
import glob
import hashlib
import importlib.util
import io
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from typing import IO, NoReturn

WINDOWS = os.name == "nt"
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CACHE = os.path.join(ROOT, ".cache")
LOCKS = os.path.join(ROOT, "scripts", "requirements", "")
BASE = getattr(sys, "_base_executable", sys.executable)
APT = ["apt-get", "install", "-y", "--no-install-recommends"]
CAN_APT = hasattr(os, "geteuid") and os.geteuid() == 0 and bool(shutil.which("apt-get"))

# Where each lies, what it holds (build.txt is the backend that installs the project), and the oldest Python for it.
KINDS = {
    "uv": (os.path.join(CACHE, "uv"), ["uv.txt"], (3, 8)),
    "build": (os.path.join(CACHE, "build"), ["build.txt"], (3, 10)),
    "demo": (os.path.join(ROOT, ".venv"), ["demo.txt", "build.txt"], (3, 10)),
    "dev": (os.path.join(ROOT, ".venv"), ["dev.txt", "build.txt"], (3, 10)),
    "peers": (os.path.join(CACHE, "peers"), ["peers.txt", "build.txt"], (3, 10)),
    "niquests": (os.path.join(CACHE, "niquests"), ["niquests.txt"], (3, 10)),
    "generate": (os.path.join(ROOT, ".venv-generate"), ["generate.txt"], (3, 11)),
}
EDITABLE = {"demo", "dev", "peers"}

# What pip was told of the network, in uv's words, and what uv takes between several values.
SETTINGS = {
    "cert": ("SSL_CERT_FILE", ""),
    "client-cert": ("SSL_CLIENT_CERT", ""),
    "extra-index-url": ("UV_EXTRA_INDEX_URL", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "index-url": ("UV_INDEX_URL", ""),
    "no-index": ("NO_INDEX", ""),
    "proxy": ("ALL_PROXY", ""),
    "retries": ("UV_HTTP_RETRIES", ""),
    "timeout": ("UV_HTTP_TIMEOUT", ""),
    "trusted-host": ("UV_INSECURE_HOST", " "),
}
# It reads its files in the code page of the system, and would write in that, too.
PIP_TELLS = """
import runpy, sys
sys.stdout.reconfigure(encoding="utf-8")
sys.argv = ["pip", "config", "list"]
runpy.run_module("pip", run_name="__main__")
"""
UNREACHABLE = (
    "NewConnectionError",
    "NameResolutionError",
    "ConnectTimeoutError",
    "ProxyError",
    "error sending request",
)


class Problem(Exception):
    """Something the reader has to do something about; the message says what."""


def run(script: "Callable[[], int | None]", usage: "str | None" = None) -> "NoReturn":
    """Run the body of a script, or of what it hands over to, and exit with the status that it returns.

    A problem becomes one message and status 3, as 1 and 2 are verdicts of some; Ctrl-C and SIGTERM become one word and
    status 130. `usage` is what a script without a parser of its own answers to `--help`, before anything is made.
    """
    # To become another program takes what is set here away; so that one sets it again.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A code page has not every letter that a path or a tool's words may have.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if usage is not None and {"-h", "--help"} & set(sys.argv[1:]):
            sys.stdout.write(usage.strip() + "\n")
            sys.exit()
        sys.exit(script())
    except Problem as problem:
        sys.stderr.write(f"{os.path.basename(sys.argv[0])}: {problem}\n")
        sys.exit(3)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)


def become(parser: "Callable[[], argparse.ArgumentParser]", *module: str, needs: str = "dev") -> None:
    """Run a module beside this one with the script's arguments. Wrong ones are told before anything is made."""

    def script() -> None:
        parser().parse_args()
        ensure(needs)
        ours = {"PYTHONPATH": os.path.join(ROOT, "scripts"), "PYTHONUTF8": "1"}
        hand_over([ensure("dev"), "-m", *module, *sys.argv[1:]], **ours)

    run(script)


def hand_over(command: "list[str]", directory: str = ".", **environment: str) -> "NoReturn":
    """Become `command`, so that Ctrl-C and `kill` reach the one process there is."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.chdir(directory)
    os.environ.update(environment)
    if not WINDOWS:
        os.execv(command[0], command)  # noqa: S606  no shell is the point
    # There exec returns to the shell at once. The console tells the child of Ctrl-C; how to end is its decision.
    process = subprocess.Popen(command)
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            sys.exit(process.wait())


def ensure(kind: str) -> str:
    """Return the path of the Python of an environment that holds `kind`, made if need be."""
    directory = KINDS[kind][0]
    if not _is_current(kind):
        with only_one(os.path.basename(directory)):
            # Who has the tests' environment keeps it: the demo runs there, too.
            wanted = "dev" if kind == "demo" and read(directory, "stamp").startswith("dev ") else kind
            if not _is_current(wanted):
                _make(wanted)
    return program(directory, "python")


def program(directory: str, name: str) -> str:
    return os.path.join(directory, *(("Scripts", name + ".exe") if WINDOWS else ("bin", name)))


def read(*path: str) -> str:
    with contextlib.suppress(OSError, ValueError), open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()
    return ""


def _is_current(kind: str) -> bool:
    directory = KINDS[kind][0]
    good = [_wanted(kind), _wanted("dev")] if kind == "demo" else [_wanted(kind)]
    # The Python may be a link to one that was uninstalled.
    return read(directory, "stamp") in good and os.path.exists(program(directory, "python"))


def _wanted(kind: str) -> str:
    """Return the stamp of what holds what it should, was made as this file makes it, and lies where it was made."""
    directory, locks, _ = KINDS[kind]
    files = [LOCKS + lock for lock in locks] + ([os.path.join(ROOT, "pyproject.toml")] if kind in EDITABLE else [])
    texts = [directory, *map(read, [os.path.abspath(__file__), *files])]
    return kind + " " + hashlib.sha256("\0".join(texts).encode("utf-8", "surrogateescape")).hexdigest()


def _make(kind: str) -> None:
    directory, locks, minimum = KINDS[kind]
    python = program(directory, "python")
    if kind == "uv":
        _make_uv(directory, python)
    else:
        if not _is_current("uv"):
            _make("uv")
        venv(directory, BASE if sys.version_info >= minimum else f">=3.{minimum[1]},<3.14")
        # In one call: should the locks disagree, uv refuses.
        pins = [LOCKS + lock for lock in locks]
        uv(f"installing what {' and '.join(locks)} pin", "pip", "sync", "-p", python, "--require-hashes", *pins)
    if kind in EDITABLE:
        # By the locked backend rather than by a .pth file of our own: that brings the console command on every system,
        # the version, and the entry point that pytest looks for.
        how = ["--no-deps", "--no-build-isolation", "--reinstall", "--offline"]
        uv("installing the project, editable", "pip", "install", "-p", python, *how, "-e", ROOT)
    with open(os.path.join(directory, "stamp.new"), "w", encoding="utf-8") as file:
        file.write(_wanted(kind))
    os.replace(file.name, os.path.join(directory, "stamp"))


def _make_uv(directory: str, python: str) -> None:
    package = "python{}.{}-venv".format(*sys.version_info)
    lacks_pip = importlib.util.find_spec("ensurepip") is None
    if lacks_pip and CAN_APT and BASE.startswith("/usr/bin/"):
        by_apt(package)
    elif lacks_pip:
        advice = f"On Debian and Ubuntu: sudo apt-get install {package}. Then run this again."
        raise Problem(f"{BASE} cannot make virtual environments: its ensurepip module is missing. {advice}")
    remove(directory)
    index = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL")
    told = {"PIP_INDEX_URL": index} if index and "PIP_INDEX_URL" not in os.environ else {}
    doing(f"making {os.path.relpath(directory, ROOT)} with {BASE}", [BASE, "-I", "-m", "venv", directory])
    pip = [python, "-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--require-hashes"]
    # Installing for the user, as some set in their configuration, is what an environment cannot do.
    doing("installing uv", [*pip, "-r", LOCKS + "uv.txt"], {"PIP_USER": "0", **told})


def by_apt(*packages: str) -> None:
    for command in (["apt-get", "update"], [*APT, *packages]):
        doing(" ".join(command), command, {"DEBIAN_FRONTEND": "noninteractive"})


def remove(directory: str) -> None:
    """Remove what is unfinished or out of date."""
    try:
        if os.path.islink(directory) or os.path.isfile(directory):
            os.unlink(directory)
        elif os.path.exists(directory):
            shutil.rmtree(directory)
    except OSError as error:
        advice = "Close what uses it (an activated shell, an editor), then run this again."
        raise Problem(f"cannot remove {directory}, which is out of date ({error}). {advice}") from None


def venv(directory: str, python: str) -> None:
    """Make an environment of the Python named."""
    remove(directory)
    text = f"making {os.path.relpath(directory, ROOT)} with Python {python}"
    try:
        uv(text, "venv", "--no-project", "-p", python, directory)
    except Problem as problem:
        advice = (
            "Should it lack such a Python, install one (python.org, or your system's packages), then run this again."
        )
        raise Problem(f"{problem}\n{advice}") from None


def uv(text: str, *arguments: str) -> None:
    settings = {**_settings_of_pip(), **os.environ}
    if settings.pop("NO_INDEX", "0") in ("1", "true") and "pip" in arguments:
        arguments += ("--no-index",)
    if not os.access(os.path.expanduser("~"), os.W_OK):
        settings.setdefault("UV_CACHE_DIR", os.path.join(CACHE, "uv-cache"))
        settings.setdefault("UV_PYTHON_INSTALL_DIR", os.path.join(CACHE, "pythons"))
    # A version manager's stub fails for what is not active, and uv gives up if that comes first. What it stands for is
    # here.
    pyenv = os.path.join(os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv")), "versions", "*", "bin")
    settings["PATH"] = os.pathsep.join([os.path.dirname(BASE), os.environ.get("PATH", os.defpath), *glob.glob(pyenv)])
    doing(text, [program(KINDS["uv"][0], "uv"), *arguments], settings)


_told = {}  # type: dict[str, str]


def _settings_of_pip() -> "dict[str, str]":
    # Asked once: pip takes as long to answer as uv to make an environment.
    if not _told:
        _told.update(_asked_of_pip())
    return _told


def _asked_of_pip() -> "dict[str, str]":
    # What the system trusts is trusted, and no index comes before another.
    told = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    if ssl.create_default_context().get_ca_certs():
        told["UV_SYSTEM_CERTS"] = "1"
    command = [program(KINDS["uv"][0], "python"), "-I", "-c", PIP_TELLS]
    lines = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=False).stdout.splitlines()
    for section in ("global.", "install.", ":env:."):
        for name, _, value in (line.partition("=") for line in lines):
            if name.startswith(section) and name[len(section) :] in SETTINGS:
                variable, between = SETTINGS[name[len(section) :]]
                told[variable] = between.join(ast.literal_eval(value).split())
    return told


_held = []  # type: list[IO[str]]


def doing(
    text: str, command: "list[str]", environment: "dict[str, str] | None" = None, timeout: "float | None" = None
) -> None:
    """Say so, and run to the end with the output kept back; a failure shows its last lines."""
    started = time.monotonic()
    sys.stderr.write(f"{text} ... ")
    sys.stderr.flush()
    try:
        quietly(command, environment, timeout)
    except BaseException:
        sys.stderr.write("no\n")
        raise
    sys.stderr.write(f"{time.monotonic() - started:.1f} s\n")


def quietly(command: "list[str]", environment: "dict[str, str] | None" = None, timeout: "float | None" = None) -> None:
    with tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            # A group of its own, so that it can be ended together with what it started.
            start_new_session=not WINDOWS,
            # Should this process be killed, the lock stays taken until its child has stopped writing.
            pass_fds=() if WINDOWS else [file.fileno() for file in _held],
        )
        try:
            status = process.wait(timeout)
        except BaseException as error:
            if sys.platform == "win32":
                subprocess.call(["taskkill", "/T", "/F", "/PID", str(process.pid)], stdout=subprocess.DEVNULL)  # noqa: S607
            else:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise Problem(f"gave up after {timeout} s: {' '.join(command)}") from None
            raise
        output.seek(0)
        lines = output.read().splitlines()
    if status:
        last = "\n".join([f"this failed with status {status}: {' '.join(command)}", *lines[-12:]])
        if any(sign in line for line in lines for sign in UNREACHABLE):
            last += (
                "\nIt could not be reached. Check the network (and what `pip config list` shows), then run this again."
            )
        raise Problem(last)


@contextlib.contextmanager
def only_one(what: str) -> "Iterator[None]":
    """Two runs at once must not both build. The system drops this lock when its holders end, however they end."""
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, "lock"), "w", encoding="utf-8") as file:
        if not _try_lock(file):
            sys.stderr.write(f"waiting for another run that is setting up {what}\n")
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


if sys.version_info < KINDS["uv"][2]:
    sys.stderr.write("needs Python 3.10 or newer; this is {}.{}\n".format(*sys.version_info))
    sys.exit(3)
