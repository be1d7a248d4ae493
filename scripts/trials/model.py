"""The stateful model of tests/wire/test_model.py, with other sequences each time."""

from __future__ import annotations

import os
import subprocess
import sys

from spec_pipeline.command import ROOT
from trials.trial import Trial, hold


def sequences(trial: Trial) -> int:
    count = 20 if trial.quick else 50
    seed = trial.random.randrange(2**31)
    told = f"MODEL_SEQUENCES={count} ./scripts/test tests/wire/test_model.py --hypothesis-seed={seed}"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/wire/test_model.py"]
    done = subprocess.run(
        [*command, f"--hypothesis-seed={seed}", f"--basetemp={trial.directory / 'pytest'}"],
        cwd=ROOT,
        env={**os.environ, "MODEL_SEQUENCES": str(count)},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    hold(done.returncode == 0, f"{told}\n{done.stdout[-3000:]}")
    return count


TRIALS = (sequences,)
