"""scripts/bootstrap.py in a small tree of its own, whose locks pin one tiny package that lies beside it."""

from __future__ import annotations

import ast
import base64
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "scripts" / "bootstrap.py"
SCRIPTS = ["demo", "test", "check", "regenerate"]
WINDOWS = os.name == "nt"
PYTHON_IN = Path("Scripts/python.exe" if WINDOWS else "bin/python")

# What a script does, without the project itself, whose build backend would have to come from an index.
DRIVER = """
import sys
import bootstrap

def main():
    for kind in bootstrap.KINDS.values():
        kind.project = False
    if sys.argv[1] == "browser":
        print(bootstrap.ensure_browser(sys.executable))
    else:
        print(bootstrap.ensure(sys.argv[1]))

bootstrap.run(main)
"""


class Tree:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.wheels = root / "wheels"
        self.wheels.mkdir()
        (root / "scripts" / "requirements").mkdir(parents=True)
        shutil.copy(SOURCE, root / "scripts" / "bootstrap.py")
        (root / "scripts" / "driver").write_text(DRIVER)
        (root / "pyproject.toml").write_text("")
        for name in ("demo", "dev", "build", "generate"):
            self.lock(name, f"only-in-{name}")

    def lock(self, name: str, package: str, version: str = "1.0") -> None:
        wheel = _wheel(self.wheels, package, version)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        (self.root / "scripts/requirements" / f"{name}.txt").write_text(
            f"{package}=={version} --hash=sha256:{digest}\n"
        )

    def start(
        self, what: str, python: str = sys.executable, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        settings = {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            # As a URL, because pip splits this setting at spaces.
            "PIP_FIND_LINKS": self.wheels.as_uri(),
            "PIP_EXTRA_INDEX_URL": "",
        }
        return subprocess.Popen(
            [python, str(self.root / "scripts" / "driver"), what],
            cwd=self.root.parent,
            env={**os.environ, **settings, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, what: str, **options: object) -> tuple[int, str, str]:
        process = self.start(what, **options)  # type: ignore[arg-type]
        out, error = process.communicate(timeout=90)
        return process.returncode, out.strip(), error

    def ensure(self, kind: str) -> tuple[Path, str]:
        status, out, told = self.run(kind)
        assert status == 0, told
        return Path(out), told

    def installed(self, directory: str = ".venv") -> set[str]:
        return {path.name.partition("-")[0] for path in (self.root / directory).rglob("only_in_*.dist-info")}


def _wheel(folder: Path, package: str, version: str) -> Path:
    name = package.replace("-", "_")
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},\n"
        for path, text in files.items()
    )
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)
    return wheel


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    # A space and a letter beyond ASCII, because clones lie in such folders too.
    root = tmp_path / "a clonê"
    root.mkdir()
    return Tree(root)


@pytest.mark.parametrize("script", ["bootstrap.py", *SCRIPTS])
def test_an_old_python_can_parse_it_to_say_that_it_is_old(script: str) -> None:
    ast.parse((SOURCE.parent / script).read_text(encoding="utf-8"), feature_version=(3, 6))


@pytest.mark.skipif(WINDOWS, reason="Windows has no such bit")
@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_can_be_executed(script: str) -> None:
    assert os.access(SOURCE.parent / script, os.X_OK)


def test_the_first_run_tells_its_steps_and_the_second_makes_nothing(tree: Tree) -> None:
    python, told = tree.ensure("demo")
    assert python == tree.root / ".venv" / PYTHON_IN
    assert python.exists()
    assert tree.installed() == {"only_in_demo", "only_in_build"}
    assert len(told.splitlines()) == 2
    assert all(line.endswith(" s") for line in told.splitlines())

    made = {path: path.stat().st_mtime_ns for path in (tree.root / ".venv").rglob("*")}
    _, told = tree.ensure("demo")
    assert told == ""
    assert made == {path: path.stat().st_mtime_ns for path in (tree.root / ".venv").rglob("*")}


def test_dev_grows_out_of_demo_and_is_good_for_demo(tree: Tree) -> None:
    tree.ensure("demo")
    (tree.root / ".venv" / "kept").touch()
    tree.ensure("dev")
    assert tree.installed() == {"only_in_demo", "only_in_dev", "only_in_build"}
    assert (tree.root / ".venv" / "kept").exists()
    assert tree.ensure("demo")[1] == ""


def test_another_lock_makes_it_anew_without_what_is_no_longer_pinned(tree: Tree) -> None:
    tree.ensure("dev")
    tree.lock("dev", "only-in-newer-dev")
    # Asked for demo only, it stays what it was: else every demo would throw away the tests' environment.
    _, told = tree.ensure("demo")
    assert "out of date" in told
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
    assert "out of date" in tree.ensure("demo")[1]


@pytest.mark.skipif(WINDOWS, reason="uses POSIX signals")
@pytest.mark.parametrize(("number", "after"), [("SIGINT", 0.5), ("SIGTERM", 1.5), ("SIGKILL", 0.5), ("SIGKILL", 2.5)])
def test_a_run_that_was_cut_off_is_made_good_by_the_next(tree: Tree, number: str, after: float) -> None:
    process = tree.start("demo")
    time.sleep(after)
    process.send_signal(getattr(signal, number))
    _, told = process.communicate(timeout=30)
    assert "Traceback" not in told
    assert tree.ensure("demo")[0].exists()
    assert tree.installed() == {"only_in_demo", "only_in_build"}


def test_of_two_runs_at_once_one_builds_and_one_waits(tree: Tree) -> None:
    processes = [tree.start("demo"), tree.start("demo")]
    told = [process.communicate(timeout=90)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    assert sum("making .venv" in text for text in told) == 1
    assert tree.installed() == {"only_in_demo", "only_in_build"}


def test_a_package_that_is_not_the_pinned_one_is_refused(tree: Tree) -> None:
    with next(tree.wheels.glob("only_in_demo*")).open("ab") as wheel:
        wheel.write(b"\0")
    status, _, told = tree.run("demo")
    assert status == 3
    assert "HASH" in told.upper()
    assert not (tree.root / ".venv" / "stamp").exists()


def test_an_index_that_cannot_be_reached_is_told_in_words(tree: Tree) -> None:
    (tree.root / "scripts/requirements/demo.txt").write_text(f"nowhere==1 --hash=sha256:{'0' * 64}\n")
    unreachable = {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}
    status, _, told = tree.run("demo", env=unreachable)
    assert status == 3
    assert "could not be reached" in told
    assert "Traceback" not in told


def _python(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.skipif(WINDOWS, reason="uses shell scripts for interpreters")
def test_an_old_python_looks_for_one_that_really_runs(tree: Tree) -> None:
    stub = _python(tree.root / "stubs", "python3.13", "echo 'not active' >&2; exit 127")
    working = _python(tree.root / "working", "python3.12", f'exec "{sys.executable}" "$@"')
    # The stub comes first on PATH and is newer; the one behind it is taken.
    path = f"{stub.parent}{os.pathsep}{working.parent}"
    status, out, told = _find_python(tree, path)
    assert status == 0, told
    assert Path(out).exists()


def _find_python(tree: Tree, path: str) -> tuple[int, str, str]:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import bootstrap; sys.executable = '/nonexistent/python';"
        "bootstrap.run(lambda: print(bootstrap._find_python((3, 10))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tree.root / "scripts")],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.strip(), done.stderr


@pytest.mark.skipif(WINDOWS, reason="uses shell scripts for interpreters")
def test_without_a_python_that_will_do_it_says_which_one_it_needs(tree: Tree) -> None:
    old = _python(tree.root / "old", "python3", "echo '3 9'; echo /usr/bin/python3; exit 0")
    status, _, told = _find_python(tree, str(old.parent))
    assert status == 3
    assert "needs Python >= 3.10" in told
    assert "Traceback" not in told


@pytest.mark.skipif(WINDOWS, reason="uses shell scripts for interpreters")
def test_a_python_without_venv_is_told_with_the_package_that_has_it(tree: Tree) -> None:
    bare = _python(tree.root / "bare", "python3.12", "echo '3 12'; echo /usr/bin/python3.12; exit 1")
    status, _, told = _find_python(tree, str(bare.parent))
    assert status == 3
    assert "apt-get install python3-venv" in told


def test_a_browser_that_is_named_is_taken(tree: Tree) -> None:
    status, out, told = tree.run("browser", env={"ANCHOR_UPLOADS_BROWSER": "/opt/chrome"})
    assert (status, out, told) == (0, "/opt/chrome", "")


@pytest.mark.skipif(WINDOWS, reason="uses a shell script for a browser")
class TestBrowser:
    @pytest.fixture
    def project(self, tree: Tree) -> Path:
        """A project whose `find_browser` finds what the file `found` names."""
        package = tree.root / "anchor_uploads"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "local.py").write_text(
            f"from pathlib import Path\nfound = Path({str(tree.root / 'found')!r})\n"
            "def find_browser(): return found.read_text() if found.exists() else None\n"
        )
        # Says yes to `playwright install` and to nothing else.
        (tree.root / "playwright.py").write_text("raise SystemExit(1)\n")
        return tree.root

    def env(self, root: Path) -> dict[str, str]:
        return {"PYTHONPATH": str(root), "PATH": "/nonexistent", "ANCHOR_UPLOADS_BROWSER": ""}

    def test_an_installed_one_is_found_and_remembered(self, tree: Tree, project: Path) -> None:
        browser = _python(project / "bin", "chromium", "exit 0")
        (project / "found").write_text(str(browser))
        assert tree.run("browser", env=self.env(project)) == (0, str(browser), "")
        (project / "found").unlink()
        assert tree.run("browser", env=self.env(project)) == (0, str(browser), "")
        # One that was removed since is not believed in.
        browser.unlink()
        assert tree.run("browser", env=self.env(project))[1] == "None"

    def test_one_that_does_not_start_is_none(self, tree: Tree, project: Path) -> None:
        (project / "found").write_text(str(_python(project / "bin", "chromium", "exit 127")))
        status, out, told = tree.run("browser", env=self.env(project))
        assert (status, out) == (0, "None")
        assert "ANCHOR_UPLOADS_BROWSER" in told

    def test_without_any_it_tries_once_and_says_how_to_get_one(self, tree: Tree, project: Path) -> None:
        status, out, told = tree.run("browser", env=self.env(project))
        assert (status, out) == (0, "None")
        assert "downloading Playwright's Chromium ... no" in told
        assert "playwright install" in told
        _, _, told = tree.run("browser", env=self.env(project))
        assert "downloading" not in told
        assert "playwright install" in told

    def test_what_playwright_downloads_is_found(self, tree: Tree, project: Path) -> None:
        browser = _python(project / "bin", "chrome", "exit 0")
        (project / "playwright.py").write_text(f"open({str(project / 'found')!r}, 'w').write({str(browser)!r})\n")
        status, out, told = tree.run("browser", env=self.env(project))
        assert (status, out) == (0, str(browser))
        assert told.startswith("no browser installed: downloading Playwright's Chromium ... ")
