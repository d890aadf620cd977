"""`make chaos`: print a line for each fault, and exit with 1 if a check fails."""

from __future__ import annotations

import argparse
import sys
import time

from tests.chaos import report, signatures
from tests.chaos.faults import FAULTS
from tests.chaos.runner import AT_ONCE, run_all
from tests.chaos.scenario import Plan


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make chaos",
        description="Break things while messages flow.",
        epilog=_list(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", metavar="FAULTS", default="", help="names, separated by commas")
    parser.add_argument(
        "--seconds",
        type=float,
        default=Plan.seconds,
        help="how long messages are posted; the fault takes the middle half",
    )
    parser.add_argument("--rate", type=float, default=Plan.rate, help="messages a second")
    parser.add_argument(
        "--at-once", type=int, default=AT_ONCE, help="how many faults are waited for at once"
    )
    parser.add_argument("--keep", action="store_true", help="keep each hub's folder, with its logs")
    arguments = parser.parse_args()
    names = [name.strip() for name in arguments.only.split(",") if name.strip()] or list(FAULTS)
    has_signatures = signatures.NAME in names or not arguments.only
    names = [name for name in names if name != signatures.NAME]
    if unknown := [name for name in names if name not in FAULTS]:
        known = ", ".join([*FAULTS, signatures.NAME])
        parser.error(f"there is no fault {unknown[0]}; there are {known}")
    began = time.monotonic()
    lines = []
    print(report.header(), flush=True)
    for line in run_all(
        names,
        Plan(rate=arguments.rate, seconds=arguments.seconds, keep=arguments.keep),
        arguments.at_once,
    ):
        lines.append(line)
        print(line, flush=True)
    if has_signatures:
        lines.append(signatures.line())
        print(lines[-1], flush=True)
    broken = [line.fault for line in lines if not line.has_held]
    print(
        f"{len(lines)} faults, {time.monotonic() - began:.0f} s: "
        + (f"BROKEN by {', '.join(broken)}" if broken else "all held")
    )
    return bool(broken)


def _list() -> str:
    return "faults:\n" + "\n".join(
        [
            *(f"  {fault.name:<20} {fault.summary}" for fault in FAULTS.values()),
            f"  {signatures.NAME:<20} {(signatures.__doc__ or '').splitlines()[0]}",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
