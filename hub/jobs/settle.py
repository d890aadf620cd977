"""Queue `settle`: process provider callbacks."""

from __future__ import annotations

from hub import jobs
from hub.intake import process_callbacks


def run() -> None:
    """Process callbacks until none is due for a while."""
    jobs.run_job("settle", process_callbacks.process_due)
