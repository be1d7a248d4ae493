"""`python -m javascript`: the linter and formatter's word on every JavaScript file of the wrapper.

The exit status is 77 where they cannot be had, which says that nothing was checked.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import _environment
from javascript.node import NodeMissing, find_node, install

HERE = Path(__file__).resolve().parent
WRAPPER = HERE.parents[1] / "wrapper"
SKIPPED = 77


def main() -> int:
    try:
        node, _npm = find_node()
        biome = install(HERE) / "@biomejs" / "biome" / "bin" / "biome"
    except NodeMissing as problem:
        print(f"the JavaScript was not linted: {problem}")
        return SKIPPED
    options = [f"--config-path={HERE}", "--error-on-warnings", "--colors=off"]
    return subprocess.call([node, biome, "ci", *options, *sorted(WRAPPER.rglob("*.js"))])


if __name__ == "__main__":
    _environment.run(main)
