"""Configure the format of log lines and the values that are masked in them."""

from __future__ import annotations

import logging

import structlog

from hub.core.config import Config
from hub.lib import redaction

# libraries that log recipients or every step
NOISY_LOGGERS = ("urllib3", "alembic", "rq", "werkzeug")


def configure(config: Config) -> None:
    """Set up the logs of this process."""
    level = getattr(logging, config.log_level)
    logging.basicConfig(level=level, format="%(levelname)s %(name)s %(message)s")
    for name in NOISY_LOGGERS:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redaction.mask_log_event,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
