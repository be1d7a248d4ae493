"""The public surface, locked."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys

import attrs
import pytest

import anchor_uploads
from anchor_uploads import errors
from anchor_uploads._call import upload

TREE = [
    (0, "AnchorUploadsError"),
    (1, "InvalidArgument"),
    (1, "SourceError"),
    (1, "ConnectionFailed"),
    (2, "TimedOut"),
    (1, "OutcomeUnknown"),
    (1, "StatusError"),
    (2, "BadRequest"),
    (2, "AuthenticationFailed"),
    (2, "SessionNotFound"),
    (2, "FileTooLarge"),
    (2, "RateLimited"),
    (2, "ServerError"),
    (1, "UnexpectedResponse"),
    (1, "AttachError"),
    (1, "UploadsFailed"),
    (0, "KeyboardInterrupt"),
    (1, "UploadsInterrupted"),
    (0, "UserWarning"),
    (1, "ContractDrift"),
]
BUILTINS = {"KeyboardInterrupt": KeyboardInterrupt, "UserWarning": UserWarning}


def test_every_public_name_is_there_and_documented() -> None:
    for name in anchor_uploads.__all__:
        assert getattr(anchor_uploads, name).__doc__, name


def test_what_is_imported_lazily_is_public() -> None:
    assert set(anchor_uploads._LAZY) < set(anchor_uploads.__all__)
    assert anchor_uploads.__all__ == sorted(anchor_uploads.__all__)
    with pytest.raises(AttributeError, match="upload_fil'"):
        anchor_uploads.upload_fil  # noqa: B018


def test_the_tree_in_the_docstring_is_the_tree_of_errors() -> None:
    drawn = []
    for line in inspect.getdoc(errors).splitlines()[2:]:  # type: ignore[union-attr]
        if not line:
            continue
        name = line.lstrip(" │├└─").split()[0]
        drawn.append(((len(line) - len(line.lstrip(" │├└─"))) // 4, name))
    assert drawn == TREE
    assert {name for _depth, name in TREE} == {
        *BUILTINS,
        *(name for name, kind in vars(errors).items() if inspect.isclass(kind)),
    }
    parents: list[str] = []
    for depth, name in TREE:
        parents[depth:] = [name]
        for parent in parents:
            kinds = {**BUILTINS, **vars(errors)}
            assert issubclass(kinds[name], kinds[parent])


def test_bad_input_is_a_value_error() -> None:
    assert issubclass(errors.SourceError, ValueError)
    assert issubclass(errors.InvalidArgument, ValueError)


def test_errors_survive_a_process_boundary() -> None:
    error = errors.RateLimited(
        "slow down", status_code=429, code=7, message="m", body=b"b", retry_after=1.5, request_id="r"
    )
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))

    unexpected = errors.UnexpectedResponse("what", status_code=200, body=b"b")
    copy = pickle.loads(pickle.dumps(unexpected))
    assert (str(copy), vars(copy)) == (str(unexpected), vars(unexpected))


@pytest.mark.parametrize("name", ["Session", "SessionInfo", "Settings", "Timeouts", "UploadProgress", "UploadedFile"])
def test_values_are_frozen(name: str) -> None:
    kind = getattr(anchor_uploads, name)
    assert attrs.has(kind)
    required = {each.alias: "x" for each in attrs.fields(kind) if each.default is attrs.NOTHING}
    value = kind(**required)
    assert attrs.evolve(value) == value
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(value, attrs.fields(kind)[0].name, "y")


def test_an_error_class_can_be_named_without_importing_httpx() -> None:
    code = "import anchor_uploads, sys; anchor_uploads.SourceError; print('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_the_core_imports_no_extra() -> None:
    code = "import anchor_uploads.client, sys; print(sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    # Not rich: httpx itself imports it where it is installed.
    for extra in ("pydantic", "starlette", "playwright", "fsspec", "psutil", "uvicorn", "websockets"):
        assert f"'{extra}'" not in modules, extra


def test_the_twins_have_the_same_surface() -> None:
    def surface(kind: type) -> dict[str, list[str]]:
        members = {
            n: m for n, m in inspect.getmembers(kind, inspect.isfunction) if not n.startswith("_") or n == "__init__"
        }
        return {
            name: [str(p).split(":")[0].split("=")[0] for p in inspect.signature(m).parameters.values()]
            for name, m in members.items()
        }

    assert surface(anchor_uploads.UploadClient) == surface(anchor_uploads.AsyncUploadClient)
    one, other = (
        inspect.signature(f).parameters for f in (anchor_uploads.upload_file, anchor_uploads.upload_file_async)
    )
    assert list(one) == list(other)
    # What a call may have instead of its client's is an option of the client that the function makes.
    options = upload.CallOptions.__optional_keys__
    assert options < set(inspect.signature(anchor_uploads.UploadClient).parameters)
    assert options < upload.UploadOptions.__optional_keys__


def test_an_option_that_there_is_not_is_refused() -> None:
    with pytest.raises(TypeError, match="no option check_sum"):
        anchor_uploads.UploadClient(api_key="k").upload_file("x", b"", check_sum=True)  # type: ignore[call-arg]
