"""scripts/_environment.py in a small tree of its own, whose locks pin one tiny package that lies beside it."""

from __future__ import annotations

import ast
import base64
import hashlib
import os
import runpy
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

import _environment
from code_mutations import __main__ as breaks
from code_mutations.mutants import Mutant

SOURCE = Path(_environment.__file__).parent
SCRIPTS = sorted(path.name for path in SOURCE.iterdir() if path.is_file() and "." not in path.name)
PROGRAMS = [*sorted(SOURCE.glob("*/__main__.py")), SOURCE / "spec_pipeline" / "command.py"]
WINDOWS = os.name == "nt"
PYTHON_IN = Path("Scripts/python.exe" if WINDOWS else "bin/python")
THIS = "python{}.{}".format(*sys.version_info)

# What a script does, without the project itself, whose build backend would have to come from an index.
DRIVER = """
import importlib.util
import os
import sys
import _browser
import _environment

_environment.EDITABLE.clear()
_environment.BASE = os.environ.get("BASE", _environment.BASE)
if os.environ.get("UV_OF"):
    _environment.KINDS["uv"] = (os.environ["UV_OF"], ["uv.txt"], (3, 8))

def main():
    exec(os.environ.get("FIRST", ""))
    print(_browser.ensure_browser(sys.executable) if sys.argv[1] == "browser" else _environment.ensure(sys.argv[1]))

_environment.run(main)
"""


@pytest.fixture(scope="session")
def uv() -> Path:
    _environment.ensure("uv")
    return Path(_environment.KINDS["uv"][0])


@pytest.fixture(scope="session")
def wheel_of_uv(uv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    name = "uv.exe" if WINDOWS else "uv"
    real = (uv / PYTHON_IN).with_name(name)
    program = real.read_bytes() if WINDOWS else f'#!/bin/sh\nexec "{real}" "$@"\n'.encode()
    return _wheel(tmp_path_factory.mktemp("uv"), "uv", "1.0", {f"uv-1.0.data/scripts/{name}": program})


@pytest.fixture(scope="session")
def quick(uv: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of a Python whose `-m venv` copies a pip that is installed: to install its own takes it seconds each time."""
    if WINDOWS:
        return {}
    site = next(uv.glob("lib/*/site-packages"))
    script = f"""
if [ "$3" != venv ]; then exec "{_environment.BASE}" "$@"; fi
"{_environment.BASE}" -I -m venv --without-pip "$4"
cp -Rp "{site}"/pip* "$4/{site.relative_to(uv)}\""""
    return {"BASE": str(_program(tmp_path_factory.mktemp("base"), "python", script))}


class Tree:
    def __init__(self, root: Path, uv: Path) -> None:
        self.root = root
        self.env = {"UV_OF": str(uv)}
        self.wheels = root / "wheels"
        self.wheels.mkdir()
        self.locks = root / "scripts" / "requirements"
        self.locks.mkdir(parents=True)
        for name in ("_environment.py", "_browser.py", "requirements/uv.txt"):
            shutil.copy(SOURCE / name, root / "scripts" / name)
        (root / "scripts" / "driver").write_text(DRIVER, "utf-8")
        (root / "pyproject.toml").touch()
        for name in ("demo", "dev", "build", "generate"):
            self.lock(name, f"only-in-{name}")

    def lock(self, name: str, package: str) -> None:
        self.pin(name, package, _wheel(self.wheels, package, "1.0"))

    def pin(self, name: str, package: str, wheel: Path) -> None:
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        (self.locks / f"{name}.txt").write_text(f"{package}==1.0 --hash=sha256:{digest}\n")

    def with_uv_of_its_own(self, wheel: Path, env: dict[str, str]) -> None:
        self.env = env
        shutil.copy(wheel, self.wheels)
        self.pin("uv", "uv", wheel)

    def start(
        self, what: str, env: dict[str, str] | None = None, interrupt: Callable[..., object] | int = signal.SIG_DFL
    ) -> subprocess.Popen[str]:
        mine = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PIP_", "UV_", "SSL_")) and not name.lower().endswith("_proxy")
        }
        # As a URL, because pip splits this setting at spaces.
        settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": self.wheels.as_uri()}
        return subprocess.Popen(
            [sys.executable, str(self.root / "scripts" / "driver"), what],
            cwd=self.root.parent,
            env={**mine, **settings, "UV_PYTHON_DOWNLOADS": "never", "PYTHONUTF8": "1", **self.env, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            # Whoever runs the tests in the background has it ignored.
            preexec_fn=None if WINDOWS else partial(signal.signal, signal.SIGINT, interrupt),  # noqa: PLW1509
        )

    def run(self, what: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
        process = self.start(what, env)
        out, error = process.communicate()
        return process.returncode, out.strip(), error

    def ensure(self, kind: str, env: dict[str, str] | None = None) -> tuple[Path, str]:
        status, out, told = self.run(kind, env)
        assert status == 0, told
        return Path(out), told

    def installed(self, directory: str = ".venv") -> set[str]:
        return {path.name.partition("-")[0] for path in (self.root / directory).rglob("only_in_*.dist-info")}


def _wheel(folder: Path, package: str, version: str, more: dict[str, bytes] | None = None) -> Path:
    name = package.replace("-", "_")
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": b"",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **(more or {}),
    }
    digests = {path: base64.urlsafe_b64encode(hashlib.sha256(content).digest()) for path, content in files.items()}
    record = "".join(f"{path},sha256={digest.rstrip(b'=').decode()},\n" for path, digest in digests.items())
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in {**files, f"{info}/RECORD": record.encode()}.items():
            member = zipfile.ZipInfo(path)
            member.external_attr = 0o100755 << 16
            archive.writestr(member, content)
    return wheel


@pytest.fixture
def tree(tmp_path: Path, uv: Path) -> Tree:
    # A space and letters beyond ASCII, because clones lie in such folders too.
    root = tmp_path / "a clonê für uns"
    root.mkdir()
    return Tree(root, uv)


@pytest.mark.parametrize("script", ["_environment.py", "_browser.py", *SCRIPTS])
def test_an_old_python_can_parse_it_to_say_that_it_is_old(script: str) -> None:
    ast.parse((SOURCE / script).read_text(encoding="utf-8"), feature_version=(3, 6))


CHECK = runpy.run_path(str(SOURCE / "check"))


@pytest.mark.parametrize("name", CHECK["CHECKS"])
def test_on_windows_each_check_calls_a_program_by_the_name_of_its_file(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = []

    def run(command: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
        called.append(Path(command[0]).parts[-2:])
        return subprocess.CompletedProcess(command, 0, "")

    monkeypatch.setattr(_environment, "WINDOWS", True)
    monkeypatch.setattr(subprocess, "run", run)
    CHECK["check"](name)
    assert called == [("Scripts", f"{CHECK['CHECKS'][name][0]}.exe")]


@pytest.mark.skipif(WINDOWS, reason="Windows has no such bit")
@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_can_be_executed(script: str) -> None:
    assert os.access(SOURCE / script, os.X_OK)


def test_the_first_run_tells_its_steps_and_the_second_makes_nothing(tree: Tree, wheel_of_uv: Path) -> None:
    tree.with_uv_of_its_own(wheel_of_uv, {})
    python, told = tree.ensure("demo")
    assert python == tree.root / ".venv" / PYTHON_IN
    assert python.exists()
    assert tree.installed() == {"only_in_demo", "only_in_build"}
    steps = ["making .cache", "installing uv", "making .venv", "installing what demo.txt and build.txt pin"]
    assert [line.startswith(step) for line, step in zip(told.splitlines(), steps, strict=True)] == [True] * 4

    made = {path: path.stat().st_mtime_ns for path in (tree.root / ".venv").rglob("*")}
    assert tree.ensure("demo")[1] == ""
    assert made == {path: path.stat().st_mtime_ns for path in (tree.root / ".venv").rglob("*")}


def test_a_path_that_the_output_cannot_write_stops_nothing(tree: Tree) -> None:
    status, out, told = tree.run("demo", {"PYTHONIOENCODING": "ascii"})
    assert status == 0, told
    assert Path(out.encode().decode("unicode_escape")) == tree.root / ".venv" / PYTHON_IN


def test_the_environment_of_the_tests_is_good_for_the_demo(tree: Tree) -> None:
    tree.ensure("demo")
    tree.ensure("dev")
    assert tree.installed() == {"only_in_dev", "only_in_build"}
    assert tree.ensure("demo")[1] == ""


def test_another_lock_makes_it_anew_without_what_is_no_longer_pinned(tree: Tree) -> None:
    tree.ensure("dev")
    tree.lock("dev", "only-in-newer-dev")
    # Asked for demo only, it stays what it was: else every demo would throw away the tests' environment.
    tree.ensure("demo")
    assert tree.installed() == {"only_in_newer_dev", "only_in_build"}


@pytest.mark.parametrize("left", ["nothing but a directory", "a file", "no stamp", "no python"])
def test_what_is_half_made_is_made_again(tree: Tree, left: str) -> None:
    environment = tree.root / ".venv"
    if left == "nothing but a directory":
        environment.mkdir()
    elif left == "a file":
        environment.touch()
    else:
        tree.ensure("demo")
        (environment / ("stamp" if left == "no stamp" else PYTHON_IN)).unlink()
    assert tree.ensure("demo")[0].exists()
    assert tree.installed() == {"only_in_demo", "only_in_build"}
    assert tree.ensure("demo")[1] == ""


def test_a_clone_that_was_moved_gets_its_own(tree: Tree) -> None:
    tree.ensure("demo")
    tree.root = tree.root.rename(tree.root.with_name("moved"))
    tree.wheels = tree.root / "wheels"
    assert "making .venv" in tree.ensure("demo")[1]


def _read_until(process: subprocess.Popen[str], text: str) -> None:
    assert process.stderr is not None
    told = ""
    while text not in told:
        letter = process.stderr.read(1)
        assert letter, told
        told += letter


@pytest.mark.skipif(WINDOWS, reason="uses POSIX signals")
@pytest.mark.parametrize(
    ("number", "step"),
    [
        ("SIGINT", "making .cache"),
        ("SIGKILL", "making .cache"),
        ("SIGTERM", "installing uv"),
        ("SIGKILL", "installing uv"),
        ("SIGINT", "making .venv"),
        ("SIGKILL", "installing what"),
    ],
)
def test_a_run_that_was_cut_off_is_made_good_by_the_next(
    tree: Tree, wheel_of_uv: Path, quick: dict[str, str], number: str, step: str
) -> None:
    if step in ("making .cache", "installing uv"):
        tree.with_uv_of_its_own(wheel_of_uv, quick)
    process = tree.start("demo")
    _read_until(process, step)
    process.send_signal(getattr(signal, number))
    _, told = process.communicate()
    if number == "SIGKILL":
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 130
        assert told.endswith("interrupted\n")
    assert "Traceback" not in told
    assert tree.ensure("demo")[0].exists()
    assert tree.installed() == {"only_in_demo", "only_in_build"}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.parent.name)
def test_what_a_script_becomes_can_be_interrupted_as_the_script_can(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: list[object] = []
    monkeypatch.setattr(_environment, "run", run.append)
    runpy.run_path(str(program), run_name="__main__")
    assert len(run) == 1


def test_breaks_that_were_not_begun_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    mutants = [Mutant("a.py", line, "", "") for line in range(50)]
    tried = []

    def interrupted(mutant: Mutant, *_arguments: object) -> str:
        tried.append(mutant)
        time.sleep(0.02)
        raise KeyboardInterrupt

    reach = SimpleNamespace(tests=lambda *_arguments: ["a test"])
    monkeypatch.setattr(breaks, "measured", lambda: reach)
    monkeypatch.setattr(breaks, "sample", lambda *_arguments: mutants)
    monkeypatch.setattr(breaks, "_copy", lambda tree: tree)
    monkeypatch.setattr(breaks, "run", lambda *_arguments: subprocess.CompletedProcess([], 0))
    monkeypatch.setattr(breaks, "verdict", interrupted)
    monkeypatch.setattr(sys, "argv", ["mutate-code", "--workers", "1"])
    with pytest.raises(KeyboardInterrupt):
        breaks.main()
    assert len(tried) < len(mutants)


@pytest.mark.skipif(WINDOWS, reason="uses POSIX signals")
def test_started_in_the_background_it_is_not_to_be_interrupted(tree: Tree) -> None:
    process = tree.start("demo", interrupt=signal.SIG_IGN)
    _read_until(process, "making .venv")
    process.send_signal(signal.SIGINT)
    _, told = process.communicate()
    assert process.returncode == 0, told


def test_of_two_runs_at_once_one_builds_and_one_waits(tree: Tree, wheel_of_uv: Path, quick: dict[str, str]) -> None:
    tree.with_uv_of_its_own(wheel_of_uv, quick)
    first = tree.start("demo")
    _read_until(first, "making .cache")
    second = tree.start("demo")
    told = [process.communicate()[1] for process in (first, second)]
    assert [process.returncode for process in (first, second)] == [0, 0], told
    assert [text.count("waiting for another run") for text in told] == [0, 1]
    assert "making" not in told[1]
    assert tree.installed() == {"only_in_demo", "only_in_build"}


@pytest.mark.parametrize("package", ["uv", "only_in_demo"])
def test_a_package_that_is_not_the_pinned_one_is_refused(
    tree: Tree, wheel_of_uv: Path, quick: dict[str, str], package: str
) -> None:
    tree.with_uv_of_its_own(wheel_of_uv, quick)
    with next(tree.wheels.glob(f"{package}-*")).open("ab") as wheel:
        wheel.write(b"\0")
    status, _, told = tree.run("demo")
    assert status == 3
    assert "HASH" in told.upper()
    assert not (tree.root / ".venv" / "stamp").exists()


@pytest.mark.parametrize("lock", ["uv", "demo"])
def test_an_index_that_cannot_be_reached_is_told_in_words(
    tree: Tree, wheel_of_uv: Path, quick: dict[str, str], lock: str
) -> None:
    if lock == "uv":
        tree.with_uv_of_its_own(wheel_of_uv, quick)
    (tree.locks / f"{lock}.txt").write_text(f"nowhere==1 --hash=sha256:{'0' * 64}\n")
    unreachable = {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}
    status, _, told = tree.run("demo", unreachable)
    assert status == 3
    assert "Check the network" in told
    assert "Traceback" not in told


@pytest.fixture
def mirror(tree: Tree) -> Iterator[str]:
    """An index, and a proxy to any: only there are the packages."""

    class Handler(SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            return super().translate_path("/" + path.rpartition("/simple/")[2])

        def log_message(self, *arguments: object) -> None:
            pass

    index = tree.root / "index"
    for wheel in tree.wheels.iterdir():
        page = index / wheel.name.partition("-")[0].replace("_", "-")
        page.mkdir(parents=True)
        (page / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
        wheel.rename(page / wheel.name)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(index))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


ELSEWHERE = "http://index.invalid/simple"


@pytest.mark.parametrize(
    "settings",
    [
        {"PIP_INDEX_URL": "{mirror}/simple"},
        {"PIP_CONFIG_FILE": "[global]\nindex-url = {mirror}/simple"},
        {"PIP_CONFIG_FILE": "[install]\nindex-url = {mirror}/simple"},
        {"PIP_INDEX_URL": "{mirror}/none", "PIP_EXTRA_INDEX_URL": "{mirror}/no {mirror}/simple"},
        {"UV_INDEX_URL": "{mirror}/simple", "PIP_INDEX_URL": "http://127.0.0.1:9/simple"},
        {"UV_DEFAULT_INDEX": "{mirror}/simple"},
        {"PIP_INDEX_URL": ELSEWHERE, "HTTP_PROXY": "{mirror}", "http_proxy": "{mirror}"},
        {"PIP_INDEX_URL": ELSEWHERE, "PIP_PROXY": "{mirror}"},
    ],
    ids="-".join,
)
def test_it_asks_the_mirrors_and_proxies_that_pip_and_uv_are_set_to(
    tree: Tree, mirror: str, settings: dict[str, str]
) -> None:
    env = {name: value.format(mirror=mirror) for name, value in settings.items()}
    if "PIP_CONFIG_FILE" in env:
        (tree.root / "pip.conf").write_text(env["PIP_CONFIG_FILE"], "utf-8")
        env["PIP_CONFIG_FILE"] = str(tree.root / "pip.conf")
    tree.ensure("demo", {"PIP_NO_INDEX": "0", "PIP_FIND_LINKS": "", **env})
    assert tree.installed() == {"only_in_demo", "only_in_build"}


@pytest.fixture(scope="session")
def code_page(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a Python is told so that it takes texts to be in the code page of the west, as it does there on Windows."""
    locales = tmp_path_factory.mktemp("locales")
    command = ["localedef", "-i", "en_US", "-f", "CP1252", str(locales / "en_US.CP1252")]
    if shutil.which("localedef") is None or subprocess.run(command, capture_output=True, check=False).returncode > 1:
        pytest.skip("a locale of this code page cannot be made here")
    return {"LOCPATH": str(locales), "LC_ALL": "en_US.CP1252"}


def test_settings_of_pip_are_read_in_the_code_page(tree: Tree, code_page: dict[str, str]) -> None:
    # Names of files have UTF-8 on Windows also there; here no path may show the difference.
    tree.root = tree.root.rename(tree.root.with_name("ascii"))
    tree.wheels = tree.root / "wheels"
    settings = tree.root / "pip.conf"
    settings.write_text("[global]\ncache-dir = C:\\Users\\José\n", "cp1252")
    tree.ensure("demo", {"PIP_CONFIG_FILE": str(settings), **code_page})
    assert tree.installed() == {"only_in_demo", "only_in_build"}


def _program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.skipif(WINDOWS, reason="uses shell scripts for programs")
class TestPython:
    @pytest.fixture
    def env(self, tree: Tree) -> dict[str, str]:
        """Of an old Python, on a machine that has no other."""
        return {
            "FIRST": f"sys.version_info = (3, 8, 0); _environment.BASE = {str(tree.root / 'old' / 'python')!r}",
            "PATH": str(tree.root / "path"),
            "UV_PYTHON_INSTALL_DIR": str(tree.root / "none"),
            "PYENV_ROOT": str(tree.root / "pyenv"),
        }

    @pytest.mark.parametrize("folder", ["old", "path", "pyenv/versions/1/bin"])
    def test_an_old_one_looks_for_one_that_will_do(self, tree: Tree, env: dict[str, str], folder: str) -> None:
        _program(tree.root / folder, THIS, f'exec "{_environment.BASE}" "$@"')
        assert tree.ensure("demo", env)[0].exists()

    def test_without_one_that_will_do_it_says_which_one_it_needs(self, tree: Tree, env: dict[str, str]) -> None:
        status, _, told = tree.run("demo", env)
        assert status == 3
        assert "3.10" in told
        assert "install one" in told
        assert "Traceback" not in told

    @pytest.mark.parametrize("root", [False, True])
    def test_one_without_ensurepip_names_the_package_that_has_it(
        self, tree: Tree, wheel_of_uv: Path, root: bool
    ) -> None:
        tree.with_uv_of_its_own(wheel_of_uv, {})
        _program(tree.root / "bin", "apt-get", f'echo "$@" >>"{tree.root}/asked"')
        lacking = "importlib.util.find_spec = lambda name: None; _environment.BASE = '/usr/bin/python0'"
        env = {"FIRST": f"{lacking}; _environment.CAN_APT = {root}", "PATH": str(tree.root / "bin")}
        _, _, told = tree.run("demo", env)
        line = f"apt-get install -y --no-install-recommends {THIS}-venv ... "
        asked = tree.root / "asked"
        if root:
            assert line in told
            assert asked.read_text().splitlines() == ["update", line[len("apt-get ") : -len(" ... ")]]
        else:
            assert f"sudo apt-get install {THIS}-venv." in told
            assert not asked.exists()


def test_a_browser_that_is_named_is_taken(tree: Tree) -> None:
    status, out, told = tree.run("browser", {"ANCHOR_UPLOADS_BROWSER": "/opt/chrome"})
    assert (status, out, told) == (0, "/opt/chrome", "")


@pytest.mark.skipif(WINDOWS, reason="uses shell scripts for programs")
class TestBrowser:
    @pytest.fixture
    def env(self, tree: Tree) -> dict[str, str]:
        """A project whose `find_browser` finds what the file `found` names; neither Playwright nor apt-get has one."""
        package = tree.root / "anchor_uploads"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "local.py").write_text(
            f"from pathlib import Path\nfound = Path({str(tree.root / 'found')!r})\n"
            "def find_browser(): return found.read_text('utf-8') if found.exists() else None\n",
            "utf-8",
        )
        (tree.root / "playwright.py").write_text("raise SystemExit(1)\n")
        _program(tree.root / "bin", "apt-get", "exit 1")
        return {
            "PYTHONPATH": str(tree.root),
            "PATH": str(tree.root / "bin"),
            "ANCHOR_UPLOADS_BROWSER": "",
            "FIRST": "_browser.CAN_APT = False",
        }

    def test_one_that_vanished_is_not_believed_in(self, tree: Tree, env: dict[str, str]) -> None:
        for name in ("chromium", "another"):
            browser = _program(tree.root / "bin", name, "exit 0")
            (tree.root / "found").write_text(str(browser), "utf-8")
            assert tree.run("browser", env) == (0, str(browser), "")
            browser.unlink()
        assert tree.run("browser", env)[1] == "None"

    def test_one_whose_path_is_written_in_a_code_page_is_found(self, tree: Tree, env: dict[str, str]) -> None:
        (tree.root / "found").write_text(str(_program(tree.root / "José", "chromium", "exit 0")), "utf-8")
        env["FIRST"] += "; os.environ['PYTHONIOENCODING'] = 'cp1252'"
        assert tree.run("browser", env) == (0, str(tree.root / "José" / "chromium"), "")

    def test_one_that_does_not_start_is_none(self, tree: Tree, env: dict[str, str]) -> None:
        (tree.root / "found").write_text(str(_program(tree.root / "bin", "chromium", "exit 127")), "utf-8")
        status, out, told = tree.run("browser", env)
        assert (status, out) == (0, "None")
        assert "ANCHOR_UPLOADS_BROWSER" in told

    def test_without_any_it_tries_once_and_says_what_to_type(self, tree: Tree, env: dict[str, str]) -> None:
        status, out, first = tree.run("browser", env)
        assert (status, out) == (0, "None")
        assert "playwright install chromium ... no" in first
        again = tree.run("browser", env)[2]
        assert "playwright install chromium ..." not in again
        for told in (first, again):
            assert "\n  sudo apt-get install -y --no-install-recommends chromium fonts-liberation\n" in told
            assert " -m playwright install --with-deps chromium\n" in told

    @pytest.mark.parametrize("by", ["playwright", "apt-get", "libraries"])
    def test_what_can_be_installed_is_found(self, tree: Tree, env: dict[str, str], by: str) -> None:
        browser = _program(tree.root / "browsers", "chrome", "exit 0")
        python = f"open({str(tree.root / 'found')!r}, 'w', encoding='utf-8').write({str(browser)!r})\n"
        if by == "apt-get":
            script = f'[ $1 = update ] || printf %s "{browser}" >"{tree.root}/found"'
            _program(tree.root / "bin", "apt-get", script)
        elif by == "libraries":
            (tree.root / "playwright.py").write_text(f"import sys\nif sys.argv[1] == 'install-deps': {python}", "utf-8")
        else:
            (tree.root / "playwright.py").write_text(python, "utf-8")
        env["FIRST"] = f"_browser.CAN_APT = {by != 'playwright'}"
        status, out, told = tree.run("browser", env)
        assert (status, out) == (0, str(browser)), told
        line = "apt-get install -y --no-install-recommends chromium fonts-liberation ... "
        assert (line in told) == (by == "apt-get")
