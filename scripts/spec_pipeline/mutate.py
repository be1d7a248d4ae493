"""The command behind `scripts/mutate`: change the spec in every way that matters, and see that each is noticed.

Exit status: 0 all noticed, by the named check and at the right place, and no false alarm; 1 otherwise; 3 no verdict.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser

from openapi.errors import SpecError
from spec_pipeline import command
from spec_pipeline.proof.mutations import Judge, Verdict, read_mutations
from spec_pipeline.proof.wrapper import Misfit, observed


def main(arguments: list[str] | None = None) -> int:
    parser = command.mutate()
    options = parser.parse_args(arguments)
    return command.run("mutate", lambda: _run(options.ids, parser), (SpecError, Misfit))


def _run(ids: list[str], parser: ArgumentParser) -> int:
    fixtures = command.ROOT / "tests" / "pipeline"
    there = read_mutations(fixtures / "mutations")
    unknown = sorted(set(ids) - {mutation.id for mutation in there})
    if unknown:
        parser.error(f"no mutation is called {', '.join(unknown)}")
    mutations = [mutation for mutation in there if not ids or mutation.id in ids]
    started = time.perf_counter()
    judge = Judge(fixtures / "spec", fixtures / "pages", observed())
    width = max(len(mutation.id) for mutation in mutations)
    print(f"{'id':{width}}  {'class':10}  {'noticed by':35}  seconds")
    verdicts: list[Verdict] = []
    for mutation in mutations:
        verdict = judge.judge(mutation)
        verdicts.append(verdict)
        checks = ", ".join(f"{check}*" if check in mutation.noticed_by else check for check in verdict.noticed_by)
        print(f"{mutation.id:{width}}  {mutation.cls:10}  {checks or '-':35}  {verdict.seconds:7.3f}")
        for problem in verdict.problems:
            print(f"{'':{width}}  PROBLEM: {problem}")
    return _summary(verdicts, time.perf_counter() - started)


def _summary(verdicts: list[Verdict], seconds: float) -> int:
    changing = [verdict for verdict in verdicts if verdict.mutation.cls != "none"]
    harmless = [verdict for verdict in verdicts if verdict.mutation.cls == "none"]
    noticed = sum(not verdict.problems for verdict in changing)
    alarms = sum(bool(verdict.problems) for verdict in harmless)
    classes = {
        cls: sum(verdict.mutation.cls == cls for verdict in changing) for cls in ("breaking", "compatible", "wording")
    }
    print(
        f"\n* the check that has to notice it, at the place that it has to name\n"
        f"{noticed} of {len(changing)} mutations noticed as they should be "
        f"({', '.join(f'{count} {cls}' for cls, count in classes.items())}); "
        f"{alarms} false alarms on {len(harmless)} harmless rewritings; "
        f"{sum(len(verdict.mutation.forms) for verdict in verdicts)} trials in all published forms; {seconds:.1f} s"
    )
    return 1 if noticed < len(changing) or alarms else 0
