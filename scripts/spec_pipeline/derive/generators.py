"""The two generators, run so that nothing but the pins and the spec shapes their output.

They live in an environment of their own (`scripts/requirements/generate.txt`). Each run gets an empty working
directory, the few environment variables that a process needs, and no project configuration to find.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from openapi import yaml

CLIENT_PACKAGE = "anchor_browser_api_client"
MODELS_PACKAGE = "anchor_browser_api_models"

_TARGET_PYTHON = "3.10"
_KEPT_VARIABLES = ("SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "HOME", "USERPROFILE")
# Strict and independent of the other generator: nothing is coerced, nothing undocumented passes, and a value that is
# absent is told from one that is null. This set judges replies as a JSON Schema validator does.
_MODEL_OPTIONS = (
    "--output-model-type=pydantic_v2.BaseModel",
    f"--target-python-version={_TARGET_PYTHON}",
    # Older targets import the sentinel from where pydantic 2.14 warns about it.
    "--target-pydantic-version=2.14",
    "--use-title-as-name",
    "--strict-nullable",
    "--extra-fields=forbid",
    "--use-missing-sentinel",
    "--enum-field-as-literal=all",
    "--use-annotated",
    "--disable-timestamp",
    "--formatters=builtin",
    "--ignore-pyproject",
    "--strict-refs",
    "--no-allow-remote-refs",
    *("--openapi-scopes", "schemas", "paths"),
    *("--strict-types", "str", "bytes", "int", "float", "bool"),
)

# In one process, which does not import the generator: that would take a second.
_ASKED = """
import importlib.metadata, importlib.util, json, sys
templates = importlib.util.find_spec("openapi_python_client").submodule_search_locations[0]
print(json.dumps([templates, {tool: importlib.metadata.version(tool) for tool in sys.argv[1:]}]))
"""
_CLIENT_TOOL, _MODELS_TOOL = "openapi-python-client", "datamodel-code-generator"


class GenerationError(RuntimeError):
    """A generator is not installed, refused the spec or warned about it; the message holds what it printed."""


class Generators:
    """The generators installed in the virtual environment `environment`."""

    def __init__(self, environment: Path) -> None:
        self._programs = environment / ("Scripts" if os.name == "nt" else "bin")

    def write_client(self, spec: Path, *, settings: Path, template_edits: Path, output: Path) -> None:
        """Write the attrs and httpx client for the OpenAPI document `spec` into the directory `output`.

        Raises `GenerationError` on any warning: openapi-python-client skips what it cannot express and exits 0.
        """
        with tempfile.TemporaryDirectory(prefix="openapi-python-client-") as scratch:
            templates = Path(scratch, "templates")
            self._edit_templates(template_edits, templates)
            self._run(
                "openapi-python-client",
                "generate",
                f"--path={spec}",
                "--meta=none",
                f"--config={settings}",
                f"--custom-template-path={templates}",
                f"--output-path={output}",
                "--file-encoding=utf-8",
                "--fail-on-warning",
                directory=scratch,
            )
        self._finish(output, tool=_CLIENT_TOOL, spec=spec)

    def write_models(self, spec: Path, *, output: Path) -> None:
        """Write the strict pydantic models for the OpenAPI document `spec` into the directory `output`."""
        with tempfile.TemporaryDirectory(prefix="datamodel-codegen-") as scratch:
            self._run(
                "datamodel-codegen",
                f"--input={spec}",
                "--input-file-type=openapi",
                f"--output={output / '__init__.py'}",
                "--custom-file-header=#",
                *_MODEL_OPTIONS,
                directory=scratch,
            )
        self._finish(output, tool=_MODELS_TOOL, spec=spec)

    def _edit_templates(self, edits_file: Path, directory: Path) -> None:
        """Copy the generator's own templates that have an edit into `directory`, edited."""
        edits = yaml.load(edits_file.read_bytes(), name=edits_file.name)
        if not isinstance(edits, list):
            raise GenerationError(f"{edits_file} must hold a list of edits")
        originals, _versions = self._installed
        directory.mkdir()
        for edit in edits:
            edited = directory / edit["template"]
            original = edited if edited.exists() else originals / edit["template"]
            text = original.read_text("utf-8")
            if text.count(edit["old"]) != edit["count"]:
                raise GenerationError(
                    f"{edits_file}: {edit['old']!r} stands {text.count(edit['old'])} times in the generator's "
                    f"{edit['template']}, not {edit['count']}. The generator has changed: read its template anew and "
                    "mend the edit, or drop it if what it was for is gone"
                )
            edited.write_text(text.replace(edit["old"], edit["new"]), "utf-8")

    @functools.cached_property
    def _installed(self) -> tuple[Path, dict[str, str]]:
        """Where the client generator's templates are, and the version of each tool."""
        package, versions = json.loads(self._run("python", "-I", "-c", _ASKED, _CLIENT_TOOL, _MODELS_TOOL))
        return Path(package, "templates"), versions

    def _finish(self, package: Path, *, tool: str, spec: Path) -> None:
        """Say in each file what made it, mark the package as typed, and make the bytes the same on every platform."""
        _templates, versions = self._installed
        header = (
            f"# Made from {spec.parent.name}/{spec.name} by {tool} {versions[tool]}. "
            "Do not edit: change the spec or the\n# overlay and run scripts/regenerate.\n"
        )
        for module in sorted(package.rglob("*.py")):
            text = re.sub(r"\A#\n+", "", module.read_text("utf-8"))
            module.write_bytes((header + ("\n" + text if text else "")).encode())
        (package / "py.typed").write_bytes(b"")
        for cache in package.rglob("__pycache__"):
            shutil.rmtree(cache)

    def _run(self, program: str, *arguments: str, directory: str | None = None) -> str:
        executable = shutil.which(program, path=str(self._programs))
        if executable is None:
            raise GenerationError(f"{program} is not in {self._programs}; scripts/regenerate installs it")
        environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        # The client generator runs ruff by its name, and formats nothing where it finds none.
        environment |= {"PATH": str(self._programs), "PYTHONUTF8": "1", "PYTHONHASHSEED": "0"}
        completed = subprocess.run(
            [executable, *arguments],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        if completed.returncode:
            raise GenerationError(f"{program} failed:\n{completed.stdout}{completed.stderr}".rstrip())
        return completed.stdout
