"""Publish claimed deliveries to message brokers, a batch at a time for each endpoint."""

from __future__ import annotations

import time
from collections.abc import Sequence

import certifi
import structlog
from flask import current_app

from hub.core.config import Config
from hub.core.errors import NotFound
from hub.db.types import now
from hub.endpoints.allowed_addresses import allowed_addresses
from hub.endpoints.attempts import Claim, Outcome
from hub.endpoints.payloads import format_time
from hub.endpoints.responses import Judgment
from hub.endpoints.targets import Target
from hub.integrations import brokers
from hub.integrations.broker import (
    BrokerEvent,
    ConnectFailed,
    Network,
    Publisher,
    Rejection,
)

log = structlog.get_logger(__name__)


def network() -> Network:
    """Return the rules for connections to brokers."""
    config: Config = current_app.extensions["hub.config"]
    return Network(allowed_addresses(), str(config.ca_file or certifi.where()))


def batch_size(kind: str) -> int:
    """Return how many events are published to a broker of this kind at once."""
    try:
        return brokers.get(kind).batch
    except NotFound:
        return 1


class BrokerPublishers:
    """The connections to the brokers of endpoints, which stay open while events are sent.

    Threads publish, one for each endpoint.
    """

    def __init__(self) -> None:
        self._network = network()
        self._open: dict[str, tuple[int, Publisher]] = {}  # with the version of the settings

    def publish(self, claims: Sequence[Claim]) -> list[Outcome]:
        """Publish claims of one endpoint; return an outcome for each, also after an error."""
        at = now()
        started = time.monotonic()
        milliseconds = None
        try:
            publisher = self._publisher_of(claims[0].target)
            results = publisher.publish([_event_of(claim) for claim in claims])
            judgments = [_judge(result) for result in results]
            milliseconds = round((time.monotonic() - started) * 1000)
        except (NotFound, ConnectFailed) as problem:
            judgments = [Judgment(str(problem))] * len(claims)
        except ModuleNotFoundError:
            judgments = [Judgment(missing_extra(claims[0].target.kind))] * len(claims)
        except Exception as problem:
            log.exception("notify.fault", endpoint=claims[0].endpoint_id)
            reason = f"Signpost had an internal error ({type(problem).__name__})."
            judgments = [Judgment(reason)] * len(claims)
        return [
            Outcome(claim, judgment, at, milliseconds)
            for claim, judgment in zip(claims, judgments, strict=True)
        ]

    def close(self) -> None:
        """Close all connections."""
        for _, publisher in self._open.values():
            publisher.close()
        self._open.clear()

    def _publisher_of(self, target: Target) -> Publisher:
        version, publisher = self._open.get(target.endpoint_id, (0, None))
        if publisher is None or version != target.version:
            if publisher is not None:
                publisher.close()
            publisher = brokers.get(target.kind).publisher(target.settings, self._network)
            self._open[target.endpoint_id] = (target.version, publisher)
        return publisher


def _event_of(claim: Claim) -> BrokerEvent:
    return BrokerEvent(
        id=claim.event_id,
        type=claim.type,
        source=claim.target.audience.source or "",
        at=format_time(claim.at),
        key=claim.key,
        body=claim.body,
    )


def _judge(rejection: Rejection | None) -> Judgment:
    if rejection is None:
        return Judgment()
    return Judgment(rejection.problem, final=rejection.final)


def missing_extra(kind: str) -> str:
    """Return how to install what a broker needs."""
    broker = brokers.get(kind)
    return (
        f"{broker.title} needs a package that is not installed. In the environment of Signpost, run"
        f" pip install 'hub[{broker.extra}]', and restart Signpost."
    )
