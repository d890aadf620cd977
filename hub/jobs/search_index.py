"""Write the search index, in the process of `hub cron`.

A job of a queue would have to be woken by every event, which costs the API more than the mark that
it stores. So new names can be found about a second later.
"""

from __future__ import annotations

import time
from contextlib import suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError

from hub.db.engine import db
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.state import job_failures
from hub.search import indexing

log = structlog.get_logger(__name__)

NAME = "search_index"


def index_for(seconds: float, shutdown: ShutdownSignal) -> None:
    """Index what is due for at most some seconds, and for at most half of them."""
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end and not shutdown.is_due:
            began = time.monotonic()
            if not indexing.index_next():
                break
            # the other half belongs to other writers
            shutdown.received_signal.wait(time.monotonic() - began)
            job_failures.clear_failure(NAME)
    except SQLAlchemyError as error:
        log.error("database.unreachable", problem=type(error).__name__)
    except Exception as error:  # the index must not stop cron
        log.exception("search.index_failed")
        with suppress(Exception):
            db.session.rollback()
            job_failures.record_failure(NAME, error)
    db.session.rollback()
