"""Queue `settle`: settle webhooks."""

from __future__ import annotations

from hub import jobs
from hub.intake import settle


def run() -> None:
    """Settle receipts until none is due for a while."""
    jobs.run("settle", settle.drain)
