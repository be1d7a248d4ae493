"""Peak memory does not grow with the file."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from support.raw_server import RawServer

MIB = 1024 * 1024


def peak(twin: str, kind: str, size: int) -> int:
    with RawServer(keep=False) as server:
        process = subprocess.run(
            [sys.executable, "-m", "benchmark.programs.memory", kind, server.base_url, str(size), twin],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert process.returncode == 0, process.stderr
        (request,) = server.requests
        assert request.complete
        assert request.received > size
        return int(json.loads(process.stdout)["memory"])


@pytest.mark.parametrize("twin", ["sync", "async"])
def test_a_gibibyte_from_a_path_takes_no_more_memory_than_a_kibibyte(twin: str) -> None:
    assert abs(peak(twin, "path", 1024 * MIB) - peak(twin, "path", 1024)) < 16 * MIB


@pytest.mark.parametrize("kind", ["pipe", "generator"])
@pytest.mark.parametrize("twin", ["sync", "async"])
def test_what_has_no_length_is_copied_with_bounded_memory(twin: str, kind: str) -> None:
    assert abs(peak(twin, kind, 100 * MIB) - peak(twin, kind, 1024)) < 16 * MIB
