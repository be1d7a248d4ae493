"""Whole processes, in turn, and the servers that they speak to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

import trustme
from rich.console import Console

import _environment
from benchmark.figures import Spread

Key = TypeVar("Key")
Figures = dict[str, float]
Command = Sequence[object]

console = Console(stderr=True)
PROGRAMS = "benchmark.programs."
APART = {"niquests"}
"""Clients that change what others import, and so have an environment of their own."""


@contextmanager
def settings(**variables: str) -> Iterator[None]:
    """Set environment variables for what is started meanwhile."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def trusted_certificate() -> Iterator[str]:
    """Make a certificate that every client started meanwhile trusts, and return its file."""
    with tempfile.TemporaryDirectory() as directory:
        authority, chain = str(Path(directory, "authority.pem")), str(Path(directory, "chain.pem"))
        ca = trustme.CA()
        ca.cert_pem.write_to_path(authority)
        ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(chain)
        with settings(SSL_CERT_FILE=authority, REQUESTS_CA_BUNDLE=authority, CURL_CA_BUNDLE=authority):
            yield chain


@contextmanager
def sample(size: int) -> Iterator[Path]:
    """Make a file whose blocks are on disk, and so in the page cache."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "a.bin")
        block = os.urandom(1 << 20)
        with path.open("wb") as file:
            for at in range(0, size, len(block)):
                file.write(block[: size - at])
        yield path


def client(program: str, name: str, *arguments: object) -> Command:
    """Return the command of a program that a client runs in, in the environment that has it."""
    kind = name if name in APART else "peers"
    return [_environment.ensure(kind), "-m", PROGRAMS + program, name, *arguments]


def run(command: Command) -> Figures:
    """Run a process to its end; return its wall and CPU seconds, and the figures that it prints as JSON."""
    started, before = time.perf_counter(), _cpu_of_children()
    done = subprocess.run([str(part) for part in command], check=False, stdout=subprocess.PIPE, text=True)
    # No other child ends meanwhile, so all that came to the children's account is its own.
    figures = {"wall": time.perf_counter() - started, "cpu": _cpu_of_children() - before}
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed with status {done.returncode}")
    if done.stdout.startswith("{"):
        figures.update(json.loads(done.stdout))
    return figures


def _cpu_of_children() -> float:
    if sys.platform == "win32":
        return 0.0  # not kept there; what a program prints has to do
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def in_turn(
    title: str,
    runs: Mapping[Key, Command],
    rounds: int,
    observed: Callable[[Command], Figures] = run,
    *,
    warm_up: bool = True,
) -> dict[Key, list[Figures]]:
    """Run each command once a round, so that a machine that slows down slows all of them alike."""
    results: dict[Key, list[Figures]] = {key: [] for key in runs}
    with console.status(title) as status:
        for number in range(0 if warm_up else 1, rounds + 1):
            stage = f"round {number} of {rounds}" if number else "warming up"
            if not console.is_terminal:
                console.print(f"{title}: {stage}")
            for key, command in runs.items():
                status.update(f"{title}: {stage}, {key}")
                figures = observed(command)
                if number:
                    results[key].append(figures)
    return results


def ratio(above: list[Figures], below: list[Figures], quantity: str) -> Spread:
    """Return how many times as much of it one took as the other, round by round."""
    return Spread.of(a[quantity] / b[quantity] for a, b in zip(above, below, strict=False))


@dataclass
class Server:
    """A server of `benchmark.programs` in a process of its own."""

    port: int
    _input: IO[str]
    _output: IO[str]

    def report(self) -> Figures:
        """Ask it for its own figures."""
        self._input.write("\n")
        self._input.flush()
        figures: Figures = json.loads(self._output.readline())
        return figures


@contextmanager
def serving(program: str, *arguments: object) -> Iterator[Server]:
    command = [sys.executable, "-m", PROGRAMS + program, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield Server(int(process.stdout.readline()), process.stdin, process.stdout)
        finally:
            process.stdin.close()


def with_report(server: Server) -> Callable[[Command], Figures]:
    """Return what runs a command, and asks the server for its own figures afterwards."""
    return lambda command: {**run(command), **server.report()}
