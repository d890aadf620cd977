"""Describe the progress and the result of a replay in the terminal."""

from __future__ import annotations

import click

from hub.intake.replay import Report


def show_progress(report: Report) -> None:
    """Print the number of callbacks that were read, on one line."""
    click.echo(f"\r{report.read:,} read ", nl=False, err=True)


def describe(report: Report) -> list[str]:
    """Return the result of a replay, one count a line, without zero counts after the fifth."""
    counts = [
        (report.read, "callbacks read"),
        (report.new, "status events added"),
        (report.messages, "messages changed"),
        (report.events, "platform events sent"),
        (report.known, "status events already known"),
        (report.unproven, "not verified with any connection’s secret: only STOP and START count"),
        (report.removed, "not read: the content was deleted at the end of its retention period"),
        (report.failed, "failed:"),
    ]
    lines = [
        f"{count:>12,} {label}"
        for position, (count, label) in enumerate(counts)
        if count or position < 5
    ]
    return lines + [
        f"{failures.count:>16,} {reason} Such as {failures.example}."
        for reason, failures in report.reasons.items()
    ]
