"""The tests on the wheel that people install, with the oldest or the newest of what it allows.

The wheel's own requirements are resolved first, the direct ones at their lowest (what these require in turn is newest:
their bounds are not ours to test). Then come the newest tests' tools that go with them. So only what the wheel asks for
varies, and no tool's lower bound has to be true.
"""

import argparse
import glob
import hashlib
import os
import pathlib
import shutil
import sys

from _environment import BASE, CACHE, ROOT, doing, ensure, only_one, program, read, uv, venv

TESTS = "tests/unit tests/wire tests/local tests/contract"
# What the tests read. Of the code only the models, which are theirs and not in the wheel.
TREE = ["README.md", "pyproject.toml", "scripts", "spec", "tests", "generated/anchor_browser_api_models"]
COMES_FROM_THE_WHEEL = """
import sys, anchor_browser_api_client, anchor_uploads
for package in (anchor_browser_api_client, anchor_uploads):
    assert package.__file__.startswith(sys.prefix), package.__file__
"""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--wheel", action="store_true")
    parser.add_argument("--python")
    parser.add_argument("--resolution", choices=["lowest", "highest"])
    return parser


def prepare(python: "str | None", resolution: str) -> "tuple[str, str]":
    """Return the Python of an environment that holds the wheel, and a tree of the tests without the code."""
    build = ensure("build")
    version = python or "{}.{}".format(*sys.version_info)
    name = "".join(letter if letter.isalnum() else "." for letter in f"wheel {version} {resolution}")
    directory, tree = os.path.join(CACHE, name), os.path.join(CACHE, name, "tree")
    with only_one(name):
        wheels = os.path.join(CACHE, "wheels")
        shutil.rmtree(wheels, ignore_errors=True)
        doing("building the wheel", [build, "-m", "hatchling", "build", "-t", "wheel", "-d", wheels])
        (wheel,) = map(pathlib.Path, glob.glob(os.path.join(glob.escape(wheels), "*.whl")))
        stamp = hashlib.sha256(wheel.read_bytes() + read(ROOT, "pyproject.toml").encode()).hexdigest()
        if read(directory, "stamp") != stamp:
            _make(directory, python or BASE, {"lowest": "lowest-direct"}.get(resolution, resolution), wheel)
            pathlib.Path(directory, "stamp").write_text(stamp, encoding="utf-8")
    shutil.rmtree(tree, ignore_errors=True)
    for part in TREE:
        source, target = os.path.join(ROOT, part), os.path.join(tree, part)
        if os.path.isdir(source):
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        else:
            os.makedirs(tree, exist_ok=True)
            shutil.copy(source, target)
    os.environ["PYTHONPATH"] = os.pathsep.join(os.path.join(tree, part) for part in ("generated", "scripts", "tests"))
    doing("asking where the code is from", [program(directory, "python"), "-c", COMES_FROM_THE_WHEEL])
    del os.environ["PYTHONPATH"]
    return program(directory, "python"), tree


def _make(directory: str, python: str, resolution: str, wheel: pathlib.Path) -> None:
    venv(directory, python)
    project, found = os.path.join(ROOT, "pyproject.toml"), os.path.join(directory, "found.txt")
    into = ["-p", program(directory, "python")]
    how = ["--all-extras", "--resolution", resolution, "--no-header", "--annotation-style", "line", "-o", found]
    uv(f"resolving what it requires, {resolution}", "pip", "compile", *into, *how, project)
    direct = [line for line in read(found).splitlines() if "(pyproject.toml)" in line]
    pathlib.Path(found).write_text("\n".join(direct), encoding="utf-8")
    tools = ["--group", f"{project}:dev", "-c", found]
    text = "installing the wheel and the tests' tools"
    uv(
        text,
        "pip",
        "install",
        *into,
        "--refresh-package",
        "anchor-uploads",
        *tools,
        f"anchor-uploads[all] @ {wheel.as_uri()}",
    )
