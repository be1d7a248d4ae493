"""Pages with the drop zones that people really meet: those of libraries from npm, each with its own handlers.

They come by the lock in `support/drop_zones`, once, and so does the bundler that makes one script of a library and of
the module there that mounts its zone. Neither needs a network again until the lock changes.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from support import node

MODULES = Path(__file__).with_name("drop_zones")
LIBRARIES = {
    "react-dropzone": "react-dropzone.jsx",
    "Dropzone.js": "dropzone.js",
    "Uppy Drag & Drop": "uppy-drag-drop.js",
    "Uppy Dashboard": "uppy-dashboard.js",
    "FilePond": "filepond.js",
    "antd": "antd.jsx",
}
OPTIONS = [
    *("--bundle", "--minify", "--charset=utf8", "--jsx=automatic", "--log-level=warning"),
    '--define:process.env.NODE_ENV="production"',
]


def drop_zone_pages() -> dict[str, str]:
    """Return a page for each of `LIBRARIES`, with its zone at `data-testid=zone`. Raises `node.NodeMissing`.

    `window.received` has the name and the size of each file that the library handed to its user, `window.files` the
    files themselves.
    """
    bundles = _bundles()
    return {library: _page(library, bundles / name) for library, name in LIBRARIES.items()}


def _page(library: str, bundle: Path) -> str:
    script, style = bundle.with_suffix(".js"), bundle.with_suffix(".css")
    return (
        f"<!doctype html><meta charset=utf-8><title>{library}</title><link rel=icon href=data:,>"
        f"<style>{style.read_text('utf-8') if style.exists() else ''}</style>"
        f"<body><script>{script.read_text('utf-8')}</script>"
    )


def _bundles() -> Path:
    """The directory with a script for each library, and its style if it has one, made if need be."""
    modules = node.install_lock(MODULES)
    sources = {path.name: path.read_text("utf-8") for path in sorted(MODULES.iterdir())}
    digest = hashlib.sha256(repr((sources, LIBRARIES, OPTIONS)).encode()).hexdigest()[:12]
    directory = modules.parent / f"bundles-{digest}"
    if not directory.exists():
        with tempfile.TemporaryDirectory(dir=modules.parent, prefix="bundling-") as made:
            fresh = Path(made, "bundles")
            _bundle(modules, fresh)
            try:
                fresh.rename(directory)
            except OSError:
                # Another run was faster; what it made is the same.
                if not directory.exists():
                    raise
    return directory


def _bundle(modules: Path, directory: Path) -> None:
    program, _npm = node.find_node()
    bundler = modules / "esbuild" / "bin" / "esbuild"
    command = [program, bundler, *LIBRARIES.values(), *OPTIONS, f"--outdir={directory}"]
    # The modules lie elsewhere than what they import.
    environment = {**os.environ, "NODE_PATH": str(modules)}
    subprocess.run(command, cwd=MODULES, env=environment, stdin=subprocess.DEVNULL, timeout=60, check=True)
