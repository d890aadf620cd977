"""The report of a run: one line for each fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from tests.chaos.oracle import Verdict

COLUMNS = (
    "accepted",
    "received",
    "delivered",
    "repeated",
    "lost",
    "doubled",
    "stuck",
    "wrong",
    "slowest",
    "seconds",
)


@dataclass(frozen=True)
class Line:
    """The line of one fault; `why` lists problems, or why there are no counts."""

    fault: str
    cells: tuple[str, ...]
    has_held: bool  # nothing was lost, doubled or stuck, and everything was answered
    reasons: tuple[str, ...] = ()
    skipped: bool = False

    def __str__(self) -> str:
        outcome = "held" if self.has_held else "BROKEN"
        if self.skipped:
            outcome = "skipped"
        cells = "".join(f"{cell:>10}" for cell in self.cells or [""] * len(COLUMNS))
        return "\n".join(
            [f"{self.fault:<20}{cells}  {outcome}", *(f"    {reason}" for reason in self.reasons)]
        )


def header() -> str:
    """Return the header of the columns."""
    return f"{'fault':<20}" + "".join(f"{name:>10}" for name in COLUMNS)


def line(
    fault: str,
    verdict: Verdict,
    *,
    repeated: int,
    slowest: float,
    seconds: float,
    wrong: Mapping[str, int],
    notes: tuple[str, ...],
) -> Line:
    """Return the line of a run.

    `wrong` counts unexpected responses of the API, and of webhooks to the provider.
    """
    counts = (
        verdict.accepted,
        verdict.received,
        verdict.delivered,
        repeated,
        len(verdict.lost),
        len(verdict.doubled),
        len(verdict.stuck),
    )
    odd = sum(wrong.values()) + len(verdict.unexpected)
    reasons = [f"{count} × {reason}" for reason, count in Counter(wrong).most_common(5)]
    if verdict.unexpected:
        reasons.append(f"never accepted, and there: {', '.join(verdict.unexpected[:5])}")
    has_held = not (verdict.has_errors or odd)
    cells = (*map(str, counts), str(odd), f"{slowest:.1f} s", f"{seconds:.0f}")
    return Line(fault, cells, has_held, (*reasons, *(() if has_held else notes)))


def skipped(fault: str, reason: str) -> Line:
    """Return the line of a fault that cannot be injected on this machine."""
    return Line(fault, (), True, (reason,), skipped=True)


def failed(fault: str, reason: str) -> Line:
    """Return the line of a run that raised an error."""
    return Line(fault, (), False, (reason,))
