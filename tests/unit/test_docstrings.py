"""Every public name tells what it takes, returns and raises, in Google's form, and its example runs."""

from __future__ import annotations

import ast
import builtins
import doctest
import inspect
import re
import socket
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs
import pytest

import anchor_uploads
from anchor_uploads import AnchorUploadsError, UploadClient
from anchor_uploads.local import LocalServer, find_browser
from support.examples import run_with_pytest

MODULES = (
    "anchor_uploads",
    "anchor_uploads.errors",
    "anchor_uploads.cdp",
    "anchor_uploads.playwright",
    "anchor_uploads.progress",
    "anchor_uploads.local",
    "anchor_uploads.local.faults",
    "anchor_uploads.pytest_plugin",
)
LISTS = ("Args", "Attributes", "Raises", "Warns")
TEXTS = ("Returns", "Yields", "Example")


def public_names() -> Iterator[tuple[str, Any]]:
    """The public names by where they are found, and the methods of the classes among them; each object once."""
    seen: set[int] = set()
    for place in MODULES:
        module = import_module(place)
        yield place, module
        for name in getattr(module, "__all__", None) or [n for n, v in vars(module).items() if inspect.isclass(v)]:
            value = getattr(module, name)
            documented = inspect.isclass(value) or callable(value)
            if not documented or id(value) in seen or not getattr(value, "__module__", "").startswith("anchor_"):
                continue
            seen.add(id(value))
            yield f"{place}.{name}", value
            if inspect.isclass(value):
                for method in dict.fromkeys(each for kind in value.__mro__ for each in vars(kind)):
                    found = inspect.getattr_static(value, method)
                    ours = inspect.isroutine(found) or isinstance(found, (property, classmethod))
                    if not method.startswith("_") and ours and method not in dir(Exception):
                        yield f"{place}.{name}.{method}", getattr(value, method)


NAMES = dict(public_names())
FIXTURES = {name for name in NAMES if name.startswith("anchor_uploads.pytest_plugin.")}
CALLABLES = {name: value for name, value in NAMES.items() if callable(value) and name not in FIXTURES}
KINDS = {name: value for name, value in CALLABLES.items() if inspect.isclass(value)}


def doc(value: Any) -> str:
    return inspect.getdoc(value) or ""


def sections(value: Any) -> dict[str, list[str]]:
    """The sections of a docstring, each with its lines."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in doc(value).splitlines():
        if heading := re.fullmatch(r"([A-Z]\w+):", line):
            assert heading[1] in LISTS + TEXTS, line
            lines = found.setdefault(heading[1], [])
        elif not line or line.startswith(" "):
            lines.append(line)
        else:
            lines = []
    return found


def entries(value: Any, section: str) -> list[str]:
    """The names in a section that is a list, of which each has a line, or several with a hanging indent."""
    lines = [line for line in sections(value).get(section, []) if line]
    assert all(re.match(r"    (\w+( \([^:]+\))?: \S|    \S)", line) for line in lines), lines
    return [item[1] for line in lines if (item := re.match(r"    (\w+)", line))]


def is_error(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


def taken(value: Any) -> set[str]:
    """The names of what a callable takes; those in the `TypedDict` of its options, too."""
    names: set[str] = set()
    if is_error(value) and "__init__" not in vars(value):
        return names
    for name, parameter in inspect.signature(value).parameters.items():
        options = re.fullmatch(r"Unpack\[(\w+)\]", str(parameter.annotation))
        names |= value.__globals__[options[1]].__optional_keys__ if options else {name}
    return names - ({"text", "problem"} if is_error(value) else {"self"})


def twin(value: Any) -> Any:
    """What a docstring leaves the details to, if it does."""
    told = re.search(r"\bAs `([\w.]+)`[,;]", doc(value))
    places = (inspect.getmodule(value).__name__, "anchor_uploads")  # type: ignore[union-attr]
    return next(NAMES[at] for place in places if (at := f"{place}.{told[1]}") in NAMES) if told else None


@pytest.mark.parametrize("name", NAMES)
def test_the_first_line_is_a_sentence_that_stands_alone(name: str) -> None:
    first, *others = doc(NAMES[name]).splitlines()
    assert first.endswith(".")
    assert others[:1] in ([], [""])


@pytest.mark.parametrize("name", CALLABLES)
def test_what_is_taken_has_a_line_of_its_own(name: str) -> None:
    value = CALLABLES[name]
    model = twin(value)
    if model is not None:
        assert "Args" not in sections(value)
        assert taken(value) == taken(model)
        return
    told = entries(value, "Attributes" if attrs.has(value) or is_error(value) else "Args")
    assert len(told) == len(set(told))
    assert set(told) == taken(value)


@pytest.mark.parametrize("name", [name for name, value in CALLABLES.items() if inspect.isroutine(value)])
def test_what_is_returned_is_told(name: str) -> None:
    value = CALLABLES[name]
    returned = str(inspect.signature(value).return_annotation)
    if twin(value) is None and not doc(value).startswith("Return "):
        assert len({"Returns", "Yields"} & sections(value).keys()) == (returned != "None")


@pytest.mark.parametrize("name", CALLABLES)
def test_what_is_raised_is_listed_by_names_that_there_are(name: str) -> None:
    value = CALLABLES[name]
    for raised in entries(value, "Raises") + entries(value, "Warns"):
        places = (vars(builtins), vars(anchor_uploads.errors), vars(inspect.getmodule(value)))
        kind = next(place[raised] for place in places if raised in place)
        assert issubclass(kind, BaseException)
    if inspect.isfunction(value) and twin(value) is None:
        here = ast.walk(ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(value)))))
        calls = [each.exc.func for each in here if isinstance(each, ast.Raise) and isinstance(each.exc, ast.Call)]
        assert {call.id for call in calls if isinstance(call, ast.Name)} <= set(entries(value, "Raises"))


CAUSES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    *(({"status": status}, {}) for status in (400, 401, 403, 404, 413, 418, 429, 500)),
    ({"status": 200, "body": "that is no JSON"}, {}),
    ({"drop_answer": True}, {}),
    ({}, {"base_url": "http://127.0.0.1:1"}),
]


@pytest.mark.parametrize("method", ["upload_file", "create_session"])
def test_what_is_listed_is_what_is_raised(method: str, tmp_path: Path) -> None:
    def call(client: UploadClient, file: object = b"content", session: Any = None) -> object:
        if method == "create_session":
            return client.create_session(session=object()) if session else client.create_session()
        return client.upload_file(session or id_, file, filename="a.txt")  # type: ignore[arg-type]

    listed = [getattr(anchor_uploads, name) for name in entries(getattr(UploadClient, method), "Raises")]
    raised: list[type] = []
    with LocalServer(browser=False) as anchor:

        def note(fault: dict[str, Any], *arguments: Any, **options: Any) -> None:
            settings = {"api_key": anchor.api_key, "base_url": anchor.base_url, "max_retries": 0, **options}
            with UploadClient(**settings) as client:
                anchor.faults.clear()
                if fault:
                    anchor.faults.add(method, **fault)
                with pytest.raises(AnchorUploadsError) as problem:
                    call(client, *arguments)
            raised.append(problem.type)

        with UploadClient(api_key=anchor.api_key, base_url=anchor.base_url) as client:
            id_ = client.create_session().id
        for fault, options in CAUSES:
            note(fault, **options)
        note({}, b"content", "no session")
        with socket.create_server(("127.0.0.1", 0)) as silent:
            note({}, base_url=f"https://127.0.0.1:{silent.getsockname()[1]}", deadline=0.1)
        if method == "upload_file":
            note({}, tmp_path / "missing")
    nearest = {next(kind for kind in each.__mro__ if kind in listed) for each in raised}
    assert nearest == set(listed)


@pytest.mark.parametrize("name", [name for name in CALLABLES if name not in KINDS])
def test_whatever_takes_something_has_an_example(name: str) -> None:
    value = CALLABLES[name]
    if twin(value) is None and taken(value):
        assert ">>>" in "".join(sections(value)["Example"])


PAGE = """
<label>Resume <input type=file></label>
<button onclick="const input = document.createElement('input'); input.type = 'file'; input.click()">Attach</button>
<p ondragover=event.preventDefault() ondrop=event.preventDefault()>Drop files here</p>
"""


@pytest.mark.parametrize("name", [name for name, value in NAMES.items() if ">>>" in doc(value)])
def test_the_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = doctest.DocTestParser().get_doctest(doc(NAMES[name]), {}, name, None, 0)
    if name == "anchor_uploads.pytest_plugin":
        sender = "from anchor_uploads import upload_file\ndef send_report(session_id):\n"
        sender += "    upload_file(session_id, b'quarterly figures', filename='report.csv')\n"
        run_with_pytest(sender + "".join(each.source for each in example.examples), tmp_path, passed=2)
        return
    (tmp_path / "report.pdf").write_bytes(b"%PDF-")
    monkeypatch.chdir(tmp_path)
    needs_browser = "page." in example.docstring
    if needs_browser and find_browser() is None:
        pytest.skip("no Chrome, Chromium or Edge was found")
    with LocalServer(browser=needs_browser) as anchor, ExitStack() as stack:
        monkeypatch.setenv("ANCHORBROWSER_API_KEY", anchor.api_key)
        monkeypatch.setenv("ANCHORBROWSER_BASE_URL", anchor.base_url)
        client = stack.enter_context(UploadClient())
        session = stack.enter_context(client.session())
        example.globs = {"anchor": anchor, "client": client, "session": session}
        if needs_browser:
            from playwright.sync_api import sync_playwright

            chromium = stack.enter_context(sync_playwright()).chromium
            page = chromium.connect_over_cdp(session.cdp_url).contexts[0].new_page()
            page.set_content(PAGE)
            example.globs["page"] = page
        said: list[str] = []
        doctest.DocTestRunner().run(example, out=said.append)
        assert said == []
