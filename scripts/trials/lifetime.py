"""Processes: clients that are forked and spawned, and interpreters that end in the midst of an upload."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping

from support.raw_server import Exchange, RawServer, answer
from support.twins import SESSION
from trials.trial import KEY, LeftOut, Trial, hold, holds_key

SIZE = 700_000
STRICT = ("-X", "dev", "-W", "error", "-W", "ignore::DeprecationWarning")
# Each prints the names of what was uploaded to its knowledge, one a line; a file's content is its name, repeated.
HEAD = f"""
import asyncio, atexit, gc, multiprocessing, os, signal, sys, threading, time
from concurrent.futures import ProcessPoolExecutor
from anchor_uploads import AnchorUploadsError, AsyncUploadClient, UploadClient, UploadsInterrupted

settings = dict(api_key={KEY!r}, base_url=sys.argv[1])
moment, directory = float(sys.argv[2]), sys.argv[3]

def content(name):
    return (name.encode() * {SIZE})[:{SIZE}]

def tell(it):
    # In one piece, whoever else writes.
    os.write(1, it.name.encode() + b"\\n")

def upload(client, name):
    tell(client.upload_file({SESSION!r}, content(name), filename=name))

async def upload_async(client, name):
    tell(await client.upload_file({SESSION!r}, content(name), filename=name))

def many(client, prefix):
    for at in range(100):
        upload(client, f"{{prefix}}{{at}}")
"""
FORK = """
client = UploadClient(**settings)
upload(client, "before")
children = [multiprocessing.get_context("fork").Process(target=upload, args=(client, f"child{at}")) for at in range(4)]
for child in children:
    child.start()
upload(client, "parent")
for child in children:
    child.join()
upload(client, "after")
client.close()
assert [child.exitcode for child in children] == [0] * 4
"""
FORK_OF_TASKS = """
async def main():
    asyncio.get_running_loop().slow_callback_duration = 60
    async with AsyncUploadClient(**settings) as client:
        await upload_async(client, "before")
        if (pid := os.fork()) == 0:
            os._exit(0)
        await asyncio.gather(*(upload_async(client, f"{at}") for at in range(8)))
        os.waitpid(pid, 0)
asyncio.run(main())
"""
SPAWN = """
if __name__ == "__main__":
    paths = []
    for at in range(6):
        paths.append(os.path.join(directory, f"{at}"))
        with open(paths[-1], "wb") as file:
            file.write(content(f"{at}"))
    with UploadClient(**settings) as client:
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
            report = client.upload_files("SESSION", paths, executor=executor)
    report.raise_for_failures()
    print(*(it.name for it in report.uploaded), sep="\\n")
"""
END_UNDER_DAEMONS = """
client = UploadClient(**settings)
for at in range(4):
    threading.Thread(target=many, args=(client, f"{at}x"), daemon=True).start()
time.sleep(moment)
"""
END_UNDER_THREADS = """
client = UploadClient(**settings)
for at in range(4):
    threading.Thread(target=upload, args=(client, f"{at}")).start()
"""
EXIT_IN_PROGRESS = """
def leave(progress):
    if progress.sent > moment * 300_000:
        sys.exit(0)
client = UploadClient(**settings)
client.upload_file("SESSION", content("never"), filename="never", on_progress=leave)
"""
# What anyio begins to connect by, and asyncio cancels before it ran, is never awaited.
TASKS_LEFT_BEHIND = """
import warnings
warnings.filterwarnings("ignore", "coroutine 'connect_tcp")
async def main():
    asyncio.get_running_loop().slow_callback_duration = 60
    client = AsyncUploadClient(**settings)
    tasks = [asyncio.ensure_future(upload_async(client, f"{at}")) for at in range(8)]
    await asyncio.sleep(moment)
asyncio.run(main())
gc.collect()
"""
AT_EXIT = """
client = UploadClient(**settings)
atexit.register(client.close)
atexit.register(upload, client, "last")
"""
# In the background SIGINT may be ignored.
INTERRUPTED = """
signal.signal(signal.SIGINT, signal.default_int_handler)
with UploadClient(**settings) as client:
    try:
        report = client.upload_files("SESSION", ((f"{at}", content(f"{at}")) for at in range(10_000)), concurrency=4)
    except UploadsInterrupted as interrupted:
        report = interrupted.report
print(*(it.name for it in report.uploaded), sep="\\n")
"""


def _slowly(chance: float) -> Callable[[Exchange], None]:
    def behave(exchange: Exchange) -> None:
        exchange.read(int(exchange.length * chance))
        time.sleep(chance / 20)
        answer()(exchange)

    return behave


def _run(trial: Trial, program: str, *, interrupt: bool = False, all_of: int | None = None) -> None:
    """Run a program, and hold that it ends by itself, without complaint, and told the truth of what it uploaded."""
    path = trial.directory / "program.py"
    path.write_text(HEAD + program.replace("SESSION", SESSION), "utf-8")
    moment = trial.random.choice([0, trial.random.uniform(0, 0.05), trial.random.uniform(0, 0.5)])
    # Who never closes a client is told so by Python, if it is asked to.
    closed = any(word in program for word in ("with ", "client.close"))
    with RawServer() as server:
        server.script = [_slowly(trial.random.random()) for _ in range(40)]
        command = [
            sys.executable,
            *(STRICT if closed else ()),
            str(path),
            server.base_url,
            str(moment),
            str(trial.directory),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            if interrupt:
                while not server.requests and process.poll() is None:
                    time.sleep(0.01)
                time.sleep(moment)
                process.send_signal(signal.SIGINT)
            killer = threading.Timer(60, process.kill)
            killer.start()
            out, err = process.communicate()
            killer.cancel()
        server.settle()
        held = [it.part() for it in server.requests if it.complete]
    names = [head.split('filename="')[1].partition('"')[0] for head, _content in held]
    hold(process.returncode == 0 and not err, f"status {process.returncode}, moment {moment:.3f}: {err[-800:]}")
    hold(not holds_key(out + err), "prints the key")
    for name, (_head, content) in zip(names, held, strict=True):
        hold(content == (name.encode() * SIZE)[:SIZE], f"{name} is held with another content")
    hold(len(set(names)) == len(names), f"uploaded twice: {sorted(names)}")
    told = out.split()
    hold(set(told) <= set(names), f"told of {sorted(set(told) - set(names))}, which is not held")
    hold(all_of in (None, len(told)), f"told of {len(told)}, not {all_of}: {json.dumps(told)}")


def forked(trial: Trial) -> int:
    if not hasattr(os, "fork") or sys.platform == "darwin":
        raise LeftOut("no fork here, or none that is safe")
    programs = {FORK: 7, FORK_OF_TASKS: 9}
    return _run_some(trial, programs, 1)


def spawned(trial: Trial) -> None:
    _run(trial, SPAWN, all_of=6)


def ended(trial: Trial) -> int:
    programs = {END_UNDER_DAEMONS: None, END_UNDER_THREADS: 4, EXIT_IN_PROGRESS: 0, AT_EXIT: 1}
    return _run_some(trial, {**programs, TASKS_LEFT_BEHIND: None}, 3)


def _run_some(trial: Trial, programs: Mapping[str, int | None], count: int) -> int:
    some = trial.random.sample(sorted(programs), count if trial.quick else len(programs))
    for program in some:
        _run(trial, program, all_of=programs[program])
    return len(some)


def interrupted(trial: Trial) -> None:
    if os.name == "nt":
        raise LeftOut("Ctrl-C for one process alone: Windows has none")
    _run(trial, INTERRUPTED, interrupt=True)


TRIALS = (forked, ended, interrupted, spawned)
