"""The code of the guides runs, as its readers would run it, and prints what they say."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

import anchor_uploads
from anchor_uploads import UploadClient
from anchor_uploads.cli.serve import KEY_VARIABLE, serve
from anchor_uploads.local import LocalServer, find_browser
from anchor_uploads.local.browser import chromium
from support.examples import run_with_pytest
from support.form_site import FormSite
from support.official_sdk import packages_of_the_sdk

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ROOT / ".github" / "docs"
BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```$(?:\n+^```text\n(?P<output>.*?)^```$)?", re.MULTILINE | re.DOTALL)
EXAMPLES = [
    pytest.param(match["code"], match["output"], id=f"{page.stem}-{number}")
    for page in sorted(GUIDES.glob("*.md"))
    for number, match in enumerate(BLOCK.finditer(page.read_text("utf-8")), 1)
]
SCRIPTS = [example for example in EXAMPLES if example.values[1] is not None]


def files_of(guide: str) -> dict[str, str]:
    """The blocks of a guide that begin with the name of a file, by that name."""
    blocks = [match["code"] for match in BLOCK.finditer((GUIDES / guide).read_text("utf-8"))]
    return {code.splitlines()[0].removeprefix("# "): code for code in blocks if code.startswith("# ")}


def imported(code: str) -> set[str]:
    """The top-level modules that a script imports."""
    nodes = list(ast.walk(ast.parse(code)))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


def test_every_block_is_a_script_with_its_output_or_a_file() -> None:
    files = [code for page in GUIDES.glob("*.md") for code in files_of(page.name).values()]
    assert len(SCRIPTS) + len(files) == len(EXAMPLES) > 10


@pytest.mark.timeout(500)
@pytest.mark.parametrize(("code", "output"), SCRIPTS)
def test_the_script_prints_what_the_guide_says(code: str, output: str, tmp_path: Path) -> None:
    (tmp_path / "report.pdf").write_bytes(b"%PDF-")
    needed = imported(code)
    path = os.pathsep.join([*sys.path, *(packages_of_the_sdk() if "anchorbrowser" in needed else [])])
    for module in needed - {"anchorbrowser"}:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    if "selenium" in needed and shutil.which("chromedriver") is None:
        pytest.skip("no chromedriver is here")
    needs_browser = "cdp" in code
    if needs_browser and find_browser() is None:
        pytest.skip("no Chrome, Chromium or Edge was found")
    environment = {**os.environ, "PYTHONPATH": path, **settings_of_tools(tmp_path)}
    with LocalServer(browser=needs_browser) as anchor, FormSite() as site:
        (tmp_path / "guide.py").write_text(code.replace("https://example.com/apply", site.url()), "utf-8")
        environment |= {"ANCHORBROWSER_API_KEY": anchor.api_key, "ANCHORBROWSER_BASE_URL": anchor.base_url}
        done = subprocess.run(
            [sys.executable, "guide.py"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        with UploadClient(api_key=anchor.api_key, base_url=anchor.base_url) as client:
            assert client.list_sessions() == ()
    assert (done.returncode, done.stdout) == (0, output), done.stderr


def settings_of_tools(directory: Path) -> dict[str, str]:
    """What keeps the tools in the guides to themselves, and lets Selenium's browser run as root."""
    settings = {
        "ANONYMIZED_TELEMETRY": "false",
        "BROWSER_USE_CONFIG_DIR": str(directory),
        "BROWSER_USE_SETUP_LOGGING": "false",
        "RAY_USAGE_STATS_ENABLED": "0",
        "SE_AVOID_STATS": "true",
        "SE_OFFLINE": "true",
    }
    if sys.platform != "win32" and os.geteuid() == 0 and (browser := find_browser()):
        script = directory / "browser"
        script.write_text(f'#!/bin/sh\nexec "{browser}" --no-sandbox "$@"\n', "utf-8")
        script.chmod(0o755)
        settings["SE_BROWSER_PATH"] = str(script)
    return settings


def test_the_tests_in_the_guide_for_pytest_pass(tmp_path: Path) -> None:
    files = files_of("pytest.md")
    for name in ("reports.py", "conftest.py"):
        (tmp_path / name).write_text(files[name], "utf-8")
    tests = files["test_reports.py"]
    run_with_pytest(tests, tmp_path, passed=tests.count("\ndef test_"))


SDK_FACTS = """
import json, sys
from pathlib import Path
import anchorbrowser
client = anchorbrowser.Anchorbrowser(max_retries=1)
session = client.sessions.create_session().data.id
client.sessions.upload_file(session, file=Path("report.pdf"))
names = json.loads(sys.argv[1])
missing = [n for n in names if not (hasattr(client.sessions, n) or hasattr(anchorbrowser, n))]
defaults = anchorbrowser.Anchorbrowser()
print(json.dumps([missing, defaults.max_retries, defaults.timeout.read]))
"""


@pytest.mark.timeout(500)
def test_what_the_guide_says_of_the_official_sdk_is_so(tmp_path: Path) -> None:
    page = (GUIDES / "official-sdk.md").read_text("utf-8")
    rows = re.findall(r"^\| (`.*) \| (.*) \|$", page, re.MULTILINE)[1:]
    theirs, ours = (
        set(re.findall(r"`(?:sessions\.)?(\w+)[(`]", " ".join(column))) for column in zip(*rows, strict=True)
    )
    assert len(rows) > 8
    for name in ours:
        assert hasattr(UploadClient, name) or hasattr(anchor_uploads, name), name

    (tmp_path / "report.pdf").write_bytes(b"%PDF-")
    with LocalServer(browser=False) as anchor:
        anchor.faults.add("upload_file", drop_answer=True)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, *packages_of_the_sdk()])}
        environment |= {"ANCHORBROWSER_API_KEY": anchor.api_key, "ANCHORBROWSER_BASE_URL": anchor.base_url}
        command = [sys.executable, "-c", SDK_FACTS, json.dumps(sorted(theirs))]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        uploads = [request.status for request in anchor.requests if request.path.endswith("/uploads")]
    assert json.loads(done.stdout or "0") == [[], 0, 1000 * 3600], done.stderr
    assert uploads == [None, 200]  # where the first may have been saved


@contextmanager
def serving(app: Any) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def test_the_fastapi_service_passes_uploads_on_and_tells_what_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    content = os.urandom(3_000_000)
    with LocalServer(browser=False) as anchor:
        monkeypatch.setenv("ANCHORBROWSER_API_KEY", anchor.api_key)
        monkeypatch.setenv("ANCHORBROWSER_BASE_URL", anchor.base_url)
        namespace: dict[str, Any] = {"__name__": "app"}
        exec(compile(files_of("fastapi.md")["app.py"], "app.py", "exec"), namespace)
        with (
            serving(namespace["app"]) as url,
            UploadClient() as client,
            client.session() as session,
            httpx.Client(base_url=f"{url}/sessions/{session.id}", trust_env=False, timeout=30) as browser,
        ):
            form = browser.post("/files", files={"file": ("a report.csv", content, "text/x-own")})
            raw = browser.put("/files/raw.bin", content=iter([content]))
            assert (form.json()["size"], raw.json()["size"]) == (len(content), len(content))
            for received, name, kind in zip(
                anchor.uploads(session.id),
                ("a report.csv", "raw.bin"),
                ("text/x-own", "application/octet-stream"),
                strict=True,
            ):
                assert (received.name, received.content_type) == (name, kind)
                assert received.read_bytes() == content
            answers = [browser.post(f"{url}/sessions/none/files", files={"file": b"x"})]
            for fault in ({"status": 413}, {"status": 400}, {"drop_answer": True}):
                anchor.faults.add("upload_file", **fault)
                answers.append(browser.post("/files", files={"file": b"x"}))
    assert [answer.status_code for answer in answers] == [422, 413, 502, 502]
    assert [answer.json()["may_have_been_saved"] for answer in answers] == [False, False, False, True]
    assert anchor.api_key not in "".join(answer.text for answer in answers)


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, each with what follows it."""
    text = re.sub(r"^#.*\n", "", (GUIDES / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\s*\\\n\s*", " ", text).splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line]


SAID = " ".join(what for _instruction, what in instructions())


def test_the_dockerfile_takes_all_that_the_wheel_is_made_of(tmp_path: Path) -> None:
    for _copy, what in (each for each in instructions() if each[0] == "COPY"):
        *sources, target = what.split()
        for source in sources:
            into = tmp_path / Path(target).relative_to("/source") / (Path(source).name if target.endswith("/") else "")
            into.parent.mkdir(exist_ok=True)
            (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, into)  # type: ignore[operator]
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", "out"]
    subprocess.run(build, cwd=tmp_path, check=True, capture_output=True)
    (wheel,) = (tmp_path / "out").glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        metadata = next(files.read(name).decode() for name in files.namelist() if name.endswith("METADATA"))
        assert "anchor_uploads/local/http/pages.css" in files.namelist()
    (extras,) = re.findall(r'pip install --no-cache-dir "/source\[([\w,]+)\]"', SAID)
    for extra in extras.split(","):
        assert f"Provides-Extra: {extra}\n" in metadata


def test_the_container_is_run_by_a_user_of_its_own() -> None:
    order = [instruction for instruction, _what in instructions()]
    user = dict(instructions())["USER"]
    assert user not in ("root", "0")
    assert f"useradd --create-home {user}" in SAID
    assert "RUN" not in order[order.index("USER") :]


def test_the_container_serves_on_its_port_and_its_health_check_tells() -> None:
    given = dict(instructions())
    port = given["EXPOSE"]
    command, check = json.loads(given["CMD"]), json.loads(given["HEALTHCHECK"].partition(" CMD ")[2])
    assert command[1] == serve.name
    options = serve.make_context("serve", command[2:]).params
    assert (options["host"], options["port"], options["allow_remote"]) == ("0.0.0.0", int(port), True)
    assert command[0] in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    guide = (GUIDES / "docker.md").read_text("utf-8")
    assert f":{port}:{port} " in guide
    for variable in set(re.findall(r"ANCHOR_UPLOADS_\w+", guide + SAID)):
        assert variable in (KEY_VARIABLE, chromium.NO_SANDBOX_VARIABLE)
    for option in re.findall(r"`(--[a-z-]+)", guide):
        known = {name for parameter in serve.params for name in parameter.opts}
        assert option in ("--init", "--security-opt") or option in known

    def health(at: str) -> int:
        script = check[-1].replace(f":{port}/", f":{at}/")
        assert script != check[-1]
        return subprocess.run([sys.executable, *check[1:-1], script], capture_output=True, check=False).returncode

    with LocalServer(browser=False) as anchor:
        assert health(anchor.base_url.rpartition(":")[2]) == 0
        gone = anchor.base_url.rpartition(":")[2]
    assert health(gone) == 1
