"""The table: measurements, what they are compared with, their goals, and missed goals."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """The goal of a figure. `unit` follows the number, such as × or ms."""

    bound: float
    unit: str = "×"
    at_most: bool = False

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.format(self.bound)}"

    def format(self, figure: float) -> str:
        """Format a figure."""
        text = _three_digits(figure)
        return f"{text} {self.unit}" if self.unit.isalpha() else text + self.unit

    def is_met(self, figure: float) -> bool:
        return figure <= self.bound if self.at_most else figure >= self.bound


def at_least(bound: float, unit: str = "×") -> Goal:
    return Goal(bound, unit)


def at_most(bound: float, unit: str = "×") -> Goal:
    return Goal(bound, unit, at_most=True)


@dataclass(frozen=True)
class Row:
    """One line of the table. `figure` is None if not measured, and `measured` explains why.

    A line without a goal is only reported.
    """

    what: str
    against: str
    goal: Goal | None
    figure: float | None
    measured: str  # what the figure was made from
    note: str = ""

    @property
    def is_met(self) -> bool:
        return self.goal is None or (self.figure is not None and self.goal.is_met(self.figure))

    @property
    def verdict(self) -> str:
        if self.figure is None:
            return "not measured"
        if self.goal is None:
            return "reported"
        return "yes" if self.is_met else "SHORT"

    @property
    def cells(self) -> tuple[str, ...]:
        figure = "—" if self.figure is None else (self.goal or Goal(0)).format(self.figure)
        goal = "none" if self.goal is None else str(self.goal)
        return self.what, self.against, goal, figure, self.verdict, self.measured


HEAD = ("what", "against", "goal", "figure", "met", "measured")


def unmeasured_row(what: str, against: str, goal: Goal | None, reason: str) -> Row:
    """Return the row of a scenario that could not be measured."""
    return Row(what, against, goal, None, f"not measured: {reason}")


def ratio_row(
    what: str,
    against: str,
    goal: Goal | None,
    ours: Sequence[float],
    theirs: Sequence[float],
    per: str,
    note: str = "",
) -> Row:
    """Return the row of a rate compared with another one of the same run: the median of each."""
    median = statistics.median(ours)
    other_median = statistics.median(theirs)
    return Row(
        what,
        against,
        goal,
        median / other_median,
        f"{format_runs(ours)} {per} against {format_runs(theirs)} {per}",
        note,
    )


def share_row(
    what: str,
    against: str,
    goal: Goal,
    ours: Sequence[float],
    whole: float,
    per: str,
    note: str = "",
) -> Row:
    """Return the row of a rate compared with an ideal number."""
    return Row(
        what,
        against,
        goal,
        statistics.median(ours) / whole,
        f"{format_runs(ours)} {per} of {_three_digits(whole)} {per}",
        note,
    )


def figure_row(
    what: str, against: str, goal: Goal, figures: Sequence[float], note: str = ""
) -> Row:
    """Return the row of an absolute figure: the median of its runs."""
    return Row(
        what, against, goal, statistics.median(figures), f"{format_runs(figures)} {goal.unit}", note
    )


def format_runs(figures: Sequence[float]) -> str:
    """Format runs: the median and the range."""
    middle = _three_digits(statistics.median(figures))
    if len(figures) == 1:
        return f"{middle} (one run)"
    return f"{middle} ({_three_digits(min(figures))} to {_three_digits(max(figures))})"


def _three_digits(value: float) -> str:
    decimals = sum(abs(value) < bound for bound in (10, 100))
    return f"{value:,.{decimals}f}"


def percentile(figures: Sequence[float], share: float) -> float:
    """Return the smallest figure that at least `share` of all do not exceed."""
    ordered = sorted(figures)
    return ordered[max(0, -(-len(ordered) * round(share * 1000) // 1000) - 1)]


def format_text(rows: Sequence[Row]) -> str:
    """Return the table for a terminal."""
    cells = [HEAD, *(row.cells for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(HEAD) - 1)]
    lines = [
        "  ".join(
            [*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]
        )
        for line in cells
    ]
    return "\n".join([lines[0], "-" * min(160, max(map(len, lines))), *lines[1:]])


def format_markdown(rows: Sequence[Row]) -> str:
    """Return the table for RESULTS.md, followed by its notes."""
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    notes: list[str] = []
    for row in rows:
        cells = list(row.cells)
        cells[4] = f"**{cells[4]}**" if not row.is_met else cells[4]
        if row.note:
            if row.note not in notes:
                notes.append(row.note)
            cells[5] += f" [{notes.index(row.note) + 1}]"
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *(f"{n}. {note}" for n, note in enumerate(notes, 1))])
