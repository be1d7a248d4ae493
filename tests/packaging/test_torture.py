"""`scripts/torture`: its judges tell what is wrong, and the one that starts them tells of all that became of it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

import openapi.yaml
from anchor_uploads import client
from anchor_uploads.local.disk import uploads
from support.raw_server import Request
from trials import __main__ as torture
from trials import answers, bodies, concurrency, documents, keys
from trials.trial import Attempt, Scene, Trial, Wrong


def lose_a_byte(patch: pytest.MonkeyPatch) -> None:
    part = Request.part
    patch.setattr(Request, "part", lambda request: (part(request)[0], part(request)[1][1:] + b"?"))


def turn_a_bit(patch: pytest.MonkeyPatch) -> None:
    write = uploads._PartialFile.write
    patch.setattr(uploads._PartialFile, "write", lambda it, data: write(it, bytearray(data[:-1] + b"!")))


def show_the_key(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(client, "hidden", lambda _key: nullcontext())


def go_too_deep(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(openapi.yaml, "_DEEPEST", 10**9)


SABOTAGED: list[tuple[Attempt, Callable[[pytest.MonkeyPatch], None], str]] = [
    (bodies.sizes_around_edges, lose_a_byte, "another file is held"),
    (concurrency.a_batch, turn_a_bit, "held with another content"),
    (keys.answers_that_quote_the_key, show_the_key, "the key is in"),
    (documents.bombs_in_the_reader, go_too_deep, "deeper than Python goes"),
]


@pytest.mark.filterwarnings("ignore::anchor_uploads.ContractDrift")
@pytest.mark.parametrize(("attempt", "sabotage", "words"), SABOTAGED, ids=[row[1].__name__ for row in SABOTAGED])
def test_a_judge_finds_what_is_wrong(
    attempt: Attempt,
    sabotage: Callable[[pytest.MonkeyPatch], None],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sabotage(monkeypatch)
    with Scene() as scene, pytest.raises(Wrong, match=words):
        for seed in range(20):
            attempt(Trial(scene, random.Random(seed), tmp_path))


PROGRAMS = {
    "right": ("return 7", 0, "subject            7       7       0"),
    "wrong": ("hold(False, 'it is a lie')", 1, "it is a lie"),
    "raises": ("raise KeyError('oh')", 1, "raised KeyError: 'oh'"),
    "left out": ("raise LeftOut('no such thing here')", 0, "left out of subject: no such thing here"),
    "logs the key": ("logging.getLogger('a').debug('GET /%s', KEY)", 1, "a logs the key"),
    "raises the key": ("outcome_of(fail)", 1, "the key is in its text"),
    "prints": ("print('in between')", 1, "this was printed: in between"),
    "prints the key": ("print(KEY)", 1, "the key was printed"),
    "leaves a file open": ("open(__file__)", 1, "ResourceWarning"),
    "leaves a file": ("tempfile.mkstemp()", 1, "left in the temporary directory: tmp"),
    "leaves a thread to fail": ("t = threading.Thread(target=fail); t.start(); t.join()", 1, "a thread ended with"),
    "ends the process": ("os._exit(0)", 1, "the process of the trials broke off"),
    "hangs": ("time.sleep(100)", 1, "had not ended after 1 s"),
}
HEAD = """
import logging, os, tempfile, threading, time
from anchor_uploads import SourceError
from trials.trial import KEY, LeftOut, hold, once, outcome_of

def fail():
    raise SourceError(f"no {KEY}")

@once
def tried(trial):
"""


@pytest.mark.parametrize("program", PROGRAMS)
def test_whatever_becomes_of_a_trial_is_told_with_what_makes_it_again(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    line, status, words = PROGRAMS[program]
    (tmp_path / "subject.py").write_text(f"{HEAD}    {line}\n\nTRIALS = (tried,)\n", "utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.setattr(torture, "PATIENCE", 1.0 if program == "hangs" else 60.0)

    assert torture.main(["--seed", "5", "--minutes", "1"], {"subject": "subject"}) == status
    told = capfd.readouterr().out
    assert words in told
    assert ("scripts/torture --seed 5 --only subject" in told) == (status == 1)


def test_what_there_is_no_time_for_is_told(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    assert torture.main(["--seed", "1", "--minutes", "1e-9"], {"documents": "trials.documents"}) == 0
    told = capfd.readouterr().out
    assert "left out of documents: no time was left for bombs_in_the_reader, bombs_in_scripts_vendor" in told


def run(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "trials", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_one_trial_can_be_made_again() -> None:
    with run("--quick", "--seed", "1", "--only", "documents", "--trial", "0") as process:
        out, _err = process.communicate()
    assert process.returncode == 0
    assert f"documents    {len(documents.BOMBS):7} {len(documents.BOMBS):7} {0:7}" in out


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C for one process alone: Windows has none")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_it_with_what_there_is(number: str) -> None:
    with run("--quick", "--seed", "1", "--only", "keys") as process:
        assert process.stderr
        assert "seed" in process.stderr.readline()
        process.send_signal(getattr(signal, number))
        out, err = process.communicate()
    assert process.returncode == 130, err
    assert "subject" in out


def test_ctrl_c_while_a_subject_starts_ends_it_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    start = threading.Thread.start

    def start_and_press(thread: threading.Thread) -> None:
        start(thread)
        raise KeyboardInterrupt

    (tmp_path / "subject.py").write_text(f"{HEAD}    {PROGRAMS['hangs'][0]}\n\nTRIALS = (tried,)\n", "utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.setattr(threading.Thread, "start", start_and_press)
    assert torture.main(["--seed", "5", "--minutes", "1"], {"subject": "subject"}) == 130


def test_answers_are_of_every_shape_and_the_same_for_one_seed() -> None:
    plans = [[answers._plan(random.Random(seed)) for seed in range(300)] for _time in range(2)]
    assert plans[0] == plans[1]
    assert {plan.status for plan in plans[0]} >= {0, 200, 302, 503}
