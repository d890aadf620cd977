"""Incoming webhooks, and the response URLs of button actions.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
https://docs.slack.dev/interactivity/handling-user-interaction#message_responses
"""

from __future__ import annotations

import json
import time
from typing import Any

from flask import Blueprint, Response, request

from hub.simulator.context import SimulatorContext, current_simulator
from hub.simulator.fault import find_fault
from hub.simulator.record_store import Record
from hub.simulator.slack import messages, scripted_faults
from hub.simulator.slack.messages import SlackError

webhooks = Blueprint("slack_webhooks", __name__)
MAX_RESPONSE_URL_USES = 5
RESPONSE_URL_LIFETIME = 30 * 60  # seconds
RESPONSES = "slack response"  # kind of the records


class WebhookError(Exception):
    """Slack refuses a request with an error code as plain text."""

    def __init__(self, error: str, status: int = 400) -> None:
        super().__init__(error)
        self.error = error
        self.status = status


PERMANENT_ERRORS = (
    "no_service",
    "no_active_hooks",
    "no_team",
    "team_disabled",
    "invalid_token",
    "channel_not_found",
    "channel_is_archived",
)


@webhooks.errorhandler(WebhookError)
def error_response(error: WebhookError) -> Response:
    headers = {"Retry-After": "1"} if error.status == 429 else {}
    return Response(error.error, error.status, headers, mimetype="text/plain")


@webhooks.post("/services/<team>/<webhook>/<secret>")
def incoming(team: str, webhook: str, secret: str) -> Response:
    """Post to the webhook's channel. Errors are reported in the response body."""
    simulator = current_simulator()
    fault = find_fault(scripted_faults.WEBHOOKS, secret)
    _apply_faults(simulator)
    if not fault and team != simulator.slack.team:
        raise WebhookError("no_team", 404)
    if not fault and (webhook, secret) != (simulator.slack.webhook, simulator.slack.webhook_secret):
        raise WebhookError("no_service", 404)
    if fault and fault.error in PERMANENT_ERRORS:  # for every message
        raise WebhookError(fault.error, fault.status)
    if simulator.faults.is_rate_limited():
        raise WebhookError("rate_limited", 429)
    simulator.pause(simulator.faults.latency)
    body = _request_body()
    draft = _draft(body)
    if fault and fault.should_refuse(
        lambda: simulator.store.is_first_attempt(secret, json.dumps(body))
    ):
        raise WebhookError(fault.error, fault.status)
    simulator.slack_messages.add(simulator.slack.channel, draft, author="webhook")
    if fault and fault.breaks:
        raise WebhookError("", fault.status)
    simulator.pause(fault.hangs if fault else 0)
    return Response("ok", mimetype="text/plain")


@webhooks.post("/actions/<team>/<number>/<secret>")
def respond(team: str, number: str, secret: str) -> Response:
    """Post a response to a button action.

    `replace_original` and `delete_original` change the message. Any other response is a new
    message, which only the person who pressed the button sees unless it is `in_channel`.
    """
    simulator = current_simulator()
    body = _request_body()
    _apply_faults(simulator)
    response_url = simulator.records.get(RESPONSES, number)
    if response_url is None or team != simulator.slack.team or secret != response_url["secret"]:
        raise WebhookError("invalid_url", 404)
    if time.time() > response_url["made"] + RESPONSE_URL_LIFETIME:
        raise WebhookError("expired_url", 404)
    draft = None if body.get("delete_original") is True else _draft(body)
    if simulator.records.change(RESPONSES, number, _count_use)["uses"] > MAX_RESPONSE_URL_USES:
        raise WebhookError("used_url", 404)
    _apply_response(simulator, response_url, body, draft)
    return Response("ok", mimetype="text/plain")


def _count_use(record: Record) -> Record:
    return {**record, "uses": record["uses"] + 1}


def _apply_response(
    simulator: SimulatorContext,
    response_url: Record,
    body: dict[str, Any],
    draft: messages.Draft | None,
) -> None:
    post = simulator.slack_messages.get(response_url["channel"], response_url["ts"])
    channel = simulator.slack.find(response_url["channel"])
    if draft is None:
        if post:
            simulator.slack_messages.delete(post)
    elif body.get("replace_original") is True and post:
        simulator.slack_messages.replace(post, draft)
    elif channel:
        thread = str(body.get("thread_ts") or (post.thread if post else ""))
        only_for = "" if body.get("response_type") == "in_channel" else response_url["who"]
        simulator.slack_messages.add(
            channel, draft, author="response", thread=thread, visible_to=only_for
        )


def _apply_faults(simulator: SimulatorContext) -> None:
    if simulator.faults.use_refusal():
        raise WebhookError("rate_limited", 429)
    if simulator.faults.use_failure():
        raise WebhookError("rollup_error", 500)


def _request_body() -> dict[str, Any]:
    """Return the JSON body, or the JSON in the form field `payload`."""
    try:
        body = json.loads(
            request.form["payload"] if "payload" in request.form else request.get_data()
        )
    except ValueError:
        raise WebhookError("invalid_payload") from None
    if not isinstance(body, dict):
        raise WebhookError("invalid_payload")
    return body


def _draft(body: dict[str, Any]) -> messages.Draft:
    try:
        return messages.draft(body)
    except SlackError as error:
        raise WebhookError(
            "invalid_payload" if error.error == "invalid_arguments" else error.error
        ) from None
