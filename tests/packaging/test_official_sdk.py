"""The official SDKs, unchanged, against the local Anchor: only ANCHORBROWSER_BASE_URL tells them where it is."""

from __future__ import annotations

import json
import os
import subprocess
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

import httpx
import pytest

from anchor_uploads.local import LocalServer, find_browser
from support import node
from support.official_sdk import PYTHON_SDK, python_of_the_sdk

ROOT = Path(__file__).resolve().parents[2]
EVERY_METHOD = ROOT / "tests" / "support" / "every_sdk_method.py"
NODE_SDK = "0.16.3"

needs_browser = pytest.mark.skipif(find_browser() is None, reason="no Chrome, Chromium or Edge here")

# What a user of each SDK would write. Both upload a file, find it by the path in the answer, and end what they began.
PYTHON_STEPS = """
import sys
from importlib.metadata import version
from pathlib import Path
from anchorbrowser import Anchorbrowser

print("anchorbrowser", version("anchorbrowser"), "for Python", flush=True)
client = Anchorbrowser()
session = client.sessions.create_session(session={"timeout": {"max_duration": 5, "idle_timeout": 2}})
print("created", session.data.id, flush=True)
reply = client.sessions.upload_file(session.data.id, file=Path(sys.argv[1]))
print("uploaded:", reply.data.status, reply.data.message, flush=True)
path = reply.data.message.removeprefix("File saved at ")
with client.browser.connect(session.data.id) as browser:
    page = browser.contexts[0].pages[0]
    page.goto("data:text/html,<title>Navigated</title><input type=file>")
    print("connected and navigated:", page.title(), flush=True)
    cdp = page.context.new_cdp_session(page)
    node = cdp.send("Runtime.evaluate", {"expression": "document.querySelector('input')"})
    cdp.send("DOM.setFileInputFiles", {"files": [path], "objectId": node["result"]["objectId"]})
    text = page.evaluate("document.querySelector('input').files[0].text()")
    print("the page read:", text, flush=True)
print("still there:", client.sessions.get_session(session.data.id) is not None, flush=True)
client.sessions.delete_session(session.data.id)
print("ended", flush=True)
try:
    client.sessions.get_session(session.data.id)
except Exception as error:
    print("then:", type(error).__name__, flush=True)
"""

NODE_STEPS = """
const fs = require("fs");
const Anchorbrowser = require("anchorbrowser").default;
(async () => {
  const about = JSON.parse(fs.readFileSync("node_modules/anchorbrowser/package.json"));
  console.log("anchorbrowser", about.version, "for Node");
  const client = new Anchorbrowser();
  const session = await client.sessions.create({ session: { timeout: { max_duration: 5, idle_timeout: 2 } } });
  console.log("created", session.data.id);
  const file = fs.createReadStream(process.argv[process.argv.length - 1]);
  const reply = await client.sessions.uploadFile(session.data.id, { file });
  console.log("uploaded:", reply.data.status, reply.data.message);
  const path = reply.data.message.replace("File saved at ", "");
  const browser = await client.browser.connect(session.data.id);
  const page = browser.contexts()[0].pages()[0];
  await page.goto("data:text/html,<title>Navigated</title><input type=file>");
  console.log("connected and navigated:", await page.title());
  const cdp = await page.context().newCDPSession(page);
  const node = await cdp.send("Runtime.evaluate", { expression: "document.querySelector('input')" });
  await cdp.send("DOM.setFileInputFiles", { files: [path], objectId: node.result.objectId });
  console.log("the page read:", await page.evaluate("document.querySelector('input').files[0].text()"));
  await browser.close();
  console.log("still there:", (await client.sessions.retrieve(session.data.id)) !== null);
  await client.sessions.delete(session.data.id);
  console.log("ended");
  await client.sessions.retrieve(session.data.id).catch(error => console.log("then:", error.constructor.name));
})();
"""


def said_by(command: list[str], server: LocalServer, directory: Path) -> str:
    environment = {
        **{name: value for name, value in os.environ.items() if "PROXY" not in name.upper()},
        "ANCHORBROWSER_API_KEY": server.api_key,
        "ANCHORBROWSER_BASE_URL": server.base_url,
    }
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def steps_of(command: list[str], server: LocalServer, directory: Path, capsys: pytest.CaptureFixture[str]) -> str:
    said = said_by(command, server, directory)
    with capsys.disabled():
        print(f"\n{said.rstrip()}")
    return said


def check(said: str) -> None:
    assert "uploaded: success File saved at " in said
    assert "connected and navigated: Navigated" in said
    assert "the page read: what was uploaded" in said
    assert "still there: True" in said.replace("true", "True")
    assert "ended\nthen: NotFoundError" in said


@needs_browser
@pytest.mark.timeout(500)
def test_the_python_sdk_works_unchanged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    python = python_of_the_sdk()
    file = tmp_path / "résumé.txt"
    file.write_text("what was uploaded")
    with LocalServer() as server:
        said = steps_of([str(python), "-c", PYTHON_STEPS, str(file)], server, tmp_path, capsys)
    check(said)
    assert f"anchorbrowser {PYTHON_SDK} for Python" in said


@needs_browser
@pytest.mark.timeout(500)
def test_every_method_of_the_python_sdk_works_or_is_told_not_to_be_here_as_the_readme_has_it(tmp_path: Path) -> None:
    python = python_of_the_sdk()
    with LocalServer() as server:
        lines = said_by([str(python), str(EVERY_METHOD)], server, tmp_path).splitlines()
        # The SDK's own end of all sessions comes last, after methods that left some.
        assert httpx.get(f"{server.base_url}/healthz", trust_env=False).json()["sessions"] == 0
    outcomes = {each.pop("method"): each for each in map(json.loads, lines)}

    assert len(outcomes) > 100
    missing = {method: outcome for method, outcome in outcomes.items() if outcome}
    assert [outcome for outcome in missing.items() if outcome[1].get("status") != 501] == []
    for outcome in missing.values():
        assert "the local Anchor does not do this; it has POST /v1/sessions, DELETE" in outcome["message"]
    table = coverage(outcomes.keys() - missing.keys(), missing)
    assert table in (ROOT / "README.md").read_text("utf-8"), f"put this into the README:\n\n{table}"


def coverage(working: Collection[str], missing: Collection[str]) -> str:
    """The README's table of what the local Anchor covers: what works by name, and how much more there is."""
    resources: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for which, methods in enumerate((working, missing)):
        for method in sorted(methods):
            resource, _dot, name = method.partition(".")
            resources[resource][which].append(f"`{name}`")
    lines = [f"| `anchorbrowser` {PYTHON_SDK} | works | answered 501 |", "| --- | --- | --- |"]
    for resource, (works, not_here) in sorted(resources.items()):
        if works:
            lines.append(f"| `{resource}` | {', '.join(works)} | {f'{len(not_here)} others' if not_here else 'none'} |")
    rest = sorted(resource for resource, (works, _not_here) in resources.items() if not works)
    count = sum(len(resources[resource][1]) for resource in rest)
    lines.append(f"| {', '.join(f'`{resource}`' for resource in rest)} | none | all {count} |")
    return "\n".join(lines)


@needs_browser
@pytest.mark.timeout(500)
def test_the_node_sdk_works_unchanged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        directory = node.install("anchorbrowser", NODE_SDK)
    except node.NodeMissing as missing:
        pytest.skip(str(missing))
    program, _npm = node.find_node()
    file = tmp_path / "résumé.txt"
    file.write_text("what was uploaded")
    with LocalServer() as server:
        said = steps_of([program, "-e", NODE_STEPS, "--", str(file)], server, directory, capsys)
    check(said)
    assert f"anchorbrowser {NODE_SDK} for Node" in said
