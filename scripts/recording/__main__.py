"""`scripts/record`: run the command and the demo, and write what they show into the documentation."""

from __future__ import annotations

import tempfile
from pathlib import Path

import _environment
from recording import command, demo


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        transcript = command.record(Path(folder))
    command.GUIDE.write_text(command.written_into(command.GUIDE.read_text("utf-8"), transcript), "utf-8")
    demo.PICTURE.write_text(demo.record(), "utf-8")
    print(f"wrote {command.GUIDE} and {demo.PICTURE}")


if __name__ == "__main__":
    _environment.run(main)
