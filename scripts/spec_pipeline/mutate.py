"""The command behind `scripts/mutate`: change the spec in every way that matters, and see that each is noticed.

Exit status: 0 all noticed, by the named check and at the right place, and no false alarm; 1 otherwise.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from spec_pipeline.mutations import Judge, Verdict, read_mutations
from spec_pipeline.wrapper_facts import observed

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="mutate", description="Mutate the spec and see that each change is noticed.")
    parser.add_argument("ids", nargs="*", metavar="ID", help="only these (default: all)")
    options = parser.parse_args(arguments)
    tests = ROOT / "tests" / "contract"
    started = time.perf_counter()
    mutations = read_mutations(tests / "mutations")
    unknown = sorted(set(options.ids) - {mutation.id for mutation in mutations})
    if unknown:
        parser.error(f"no mutation is called {', '.join(unknown)}")
    judge = Judge(ROOT, tests / "pages", observed())
    width = max(len(mutation.id) for mutation in mutations)
    print(f"{'id':{width}}  {'class':10}  {'noticed by':35}  seconds")
    verdicts: list[Verdict] = []
    for mutation in mutations:
        if options.ids and mutation.id not in options.ids:
            continue
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
        f"{alarms} false alarms on {len(harmless)} harmless rewritings; {seconds:.1f} s"
    )
    return 1 if noticed < len(changing) or alarms else 0


if __name__ == "__main__":
    sys.exit(main())
