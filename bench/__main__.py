"""The command line: `python -m bench [--only first-sync,no-news] [--quick]`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench import report
from bench.context import FULL, QUICK, Context
from bench.installed import CONNECTOR, PLACE, install
from bench.measure import ROOT, BenchError, run
from bench.results import Result
from bench.scenarios import SCENARIOS


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 when a scenario could not be run; a goal that was missed is a finding, not an error."""
    options = _options(arguments)
    names = options.only.split(",") if options.only else list(SCENARIOS)
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        sys.stderr.write(f"There is no {', '.join(unknown)}; there are {', '.join(SCENARIOS)}.\n")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    _say("Installing the connector as its users do")
    install()
    began, load = time.monotonic(), os.getloadavg()[0]
    idle = [run([CONNECTOR, "spec"]).seconds for _ in range(3)]
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        context = Context(Path(folder), QUICK if options.quick else FULL)
        try:
            for name in names:
                result = _measured(name, context)
                if result is not None:
                    results.append(result)
                    # a run that is ended early has not been for nothing
                    report.write(PLACE, results, {})
        finally:
            context.close()
    idle += [run([CONNECTOR, "spec"]).seconds for _ in range(3)]
    noise = {
        "loadBefore": round(load, 1),
        "loadAfter": round(os.getloadavg()[0], 1),
        "specLeast": round(min(idle), 2),
        "specMost": round(max(idle), 2),
        "isQuick": options.quick,
    }
    failed = len(results) < len(names)
    missed = [f"{result.name}: {check.what}" for result in results for check in result.checks if check.is_met is False]
    met = sum(check.is_met is True for result in results for check in result.checks)
    _say(f"\n{met} goals met, {len(missed)} missed, in {(time.monotonic() - began) / 60:.1f} minutes.")
    is_whole = not options.quick and not options.only and not failed
    for path in report.write(ROOT / "docs" if is_whole else PLACE, results, noise):
        _say(f"  {path.relative_to(ROOT)}")
    return 1 if failed else 0


def _measured(name: str, context: Context) -> Result | None:
    """The result of a scenario, which it shows at once; None when it could not be run: the others go on."""
    try:
        result = SCENARIOS[name](context)
    except BenchError as error:
        _say(f"\n{name} could not be run: {error}")
        return None
    for line in report.lines(result):
        _say(line)
    return result


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the connector against the sandbox.")
    parser.add_argument("--only", help=f"comma-separated: {', '.join(SCENARIOS)}")
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that it works, not to learn numbers")
    return parser.parse_args(arguments)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
