"""`make chaos`: a line for each fault, and exit code 1 when something was lost, doubled, stuck or
not answered.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.chaos import report
from tests.chaos.faults import FAULTS
from tests.chaos.runner import AT_ONCE, run_all
from tests.chaos.scenario import Plan


def main() -> int:
    wishes = argparse.ArgumentParser(
        prog="make chaos",
        description="Break things while messages flow.",
        epilog=_list(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    wishes.add_argument("--only", metavar="FAULTS", default="", help="names, separated by commas")
    wishes.add_argument(
        "--seconds",
        type=float,
        default=Plan.seconds,
        help="how long messages are posted; the fault takes the middle half",
    )
    wishes.add_argument("--rate", type=float, default=Plan.rate, help="messages a second")
    wishes.add_argument(
        "--at-once", type=int, default=AT_ONCE, help="how many faults are waited for at once"
    )
    wishes.add_argument("--keep", action="store_true", help="keep each hub's folder, with its logs")
    wish = wishes.parse_args()
    names = [name.strip() for name in wish.only.split(",") if name.strip()] or list(FAULTS)
    if strange := [name for name in names if name not in FAULTS]:
        wishes.error(f"there is no fault {strange[0]}; there are {', '.join(FAULTS)}")
    began = time.monotonic()
    lines = []
    print(report.head(), flush=True)
    for line in run_all(
        names, Plan(rate=wish.rate, seconds=wish.seconds, keep=wish.keep), wish.at_once
    ):
        lines.append(line)
        print(line, flush=True)
    broken = [line.fault for line in lines if not line.held]
    print(
        f"{len(lines)} faults, {time.monotonic() - began:.0f} s: "
        + (f"BROKEN by {', '.join(broken)}" if broken else "all held")
    )
    return bool(broken)


def _list() -> str:
    return "faults:\n" + "\n".join(f"  {fault.name:<20} {fault.says}" for fault in FAULTS.values())


if __name__ == "__main__":
    sys.exit(main())
