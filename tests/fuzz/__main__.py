"""`make fuzz`: send hostile input to the hub, and exit with 1 if something breaks."""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz import api

HERE = Path(__file__).parent


def webhooks(seconds: int, seed: int, examples: int) -> int:
    """Fuzz every webhook route."""
    if examples:
        raise SystemExit("Webhooks are tried for a time: give --seconds.")
    os.environ |= {"FUZZ_SECONDS": str(seconds), "FUZZ_SEED": str(seed)}
    quiet = ["-p", "no:cacheprovider", "-o", "faulthandler_timeout=0"]  # a long run is no hang
    return int(pytest.main(["-q", "-x", *quiet, str(HERE / "test_webhooks.py")]))


PARTS: dict[str, Callable[[int, int, int], int]] = {"api": api.run, "webhooks": webhooks}


def main() -> int:
    wishes = argparse.ArgumentParser(
        prog="make fuzz", description="Throw hostile input at the hub."
    )
    wishes.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all when none is given"
    )
    wishes.add_argument("--seconds", type=int, default=600, help="how long each part runs")
    wishes.add_argument(
        "--examples",
        type=int,
        default=0,
        help="try so many examples of each operation of the API instead, the same on each machine",
    )
    wishes.add_argument(
        "--seed", type=int, help="repeat the run with this seed; a new one when none is given"
    )
    arguments = wishes.parse_args()
    names = arguments.parts or list(PARTS)
    if strange := [name for name in names if name not in PARTS]:
        wishes.error(f"There is no part {strange[0]}. Give {' or '.join(PARTS)}.")
    seed = random.SystemRandom().randrange(2**32) if arguments.seed is None else arguments.seed
    print(f"seed {seed}", flush=True)
    # each runs, whatever broke before
    outcomes = {name: PARTS[name](arguments.seconds, seed, arguments.examples) for name in names}
    return int(any(outcomes.values()))


if __name__ == "__main__":
    sys.exit(main())
