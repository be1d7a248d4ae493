"""A local Anchor without browsers: `python -m benchmark.programs.anchor DIRECTORY`.

Its port is the first line that it prints. To each line that it is sent it prints, as JSON, the most memory that it has
had so far, in bytes; it ends with its standard input.
"""

from __future__ import annotations

import json
import sys

from anchor_uploads.local import LocalServer
from benchmark.programs.upload import peak_memory


def main(directory: str) -> None:
    with LocalServer(browser=False, api_key="k", directory=directory) as server:
        print(server.base_url.rpartition(":")[2], flush=True)
        for _ in sys.stdin:
            print(json.dumps({"memory": peak_memory()}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
