"""Test the connection to the message broker of an endpoint, outside of any transaction."""

from __future__ import annotations

import structlog

from hub.core.errors import Conflict, DecryptionError
from hub.db.engine import db
from hub.endpoints.broker_publishing import missing_extra, network
from hub.endpoints.endpoints import find
from hub.integrations import brokers
from hub.integrations.values import CheckResult
from hub.models.webhook_endpoint import WEBHOOK

log = structlog.get_logger(__name__)


def run_test(endpoint_id: str) -> CheckResult:
    """Connect with the stored settings, and describe the result. No event is published.

    Raises NotFound, and Conflict for a webhook.
    """
    endpoint = find(endpoint_id)
    if endpoint.kind == WEBHOOK:
        raise Conflict("no_connection_test", "Send a test event to test a webhook.")
    broker = brokers.get(endpoint.kind)
    if not broker.is_installed():
        return CheckResult(False, missing_extra(endpoint.kind))
    try:
        settings = endpoint.settings
    except DecryptionError:
        settings = None
    db.session.rollback()  # no transaction is open during the call
    if not settings:
        return CheckResult(False, "The settings cannot be decrypted. Enter and save them again.")
    try:
        return broker.check(settings, network())
    except Exception as problem:
        log.exception("broker.test_fault", endpoint=endpoint_id)
        reason = f"Signpost had an internal error ({type(problem).__name__})."
        return CheckResult(False, reason)
