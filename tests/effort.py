"""Choose the effort of a run: short by default, long before a release (`make test-long`).

The Hypothesis profile decides: HYPOTHESIS_PROFILE is `dev`, `ci` or `long`.
"""

from __future__ import annotations

import os
from typing import TypeVar

from hypothesis import settings

T = TypeVar("T")
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "dev")
LONG = PROFILE == "long"
SHARE = 5  # a short run tries the fifth part of the examples
FEWEST = 8

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, print_blob=True)
settings.register_profile("long", deadline=None, print_blob=True, max_examples=500)
settings.load_profile(PROFILE)


def examples(maximum: int) -> int:
    """Return how many examples Hypothesis tries: `most` in a long run, fewer in a short one."""
    return maximum if LONG else min(maximum, max(maximum // SHARE, FEWEST))


def sized(long: T, short: T) -> T:
    """Return the size of a test's data for a long or a short run."""
    return long if LONG else short
