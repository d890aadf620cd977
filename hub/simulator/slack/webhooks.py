"""The addresses that Slack gives away: incoming webhooks, and those under which a press may be
answered.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
https://docs.slack.dev/interactivity/handling-user-interaction#message_responses
"""

from __future__ import annotations

import json
import time
from typing import Any

from flask import Blueprint, Response, request

from hub.simulator.context import Bench, bench
from hub.simulator.fault import find
from hub.simulator.record_store import Record
from hub.simulator.slack import messages, scripted_faults
from hub.simulator.slack.messages import SlackError

webhooks = Blueprint("slack_webhooks", __name__)
MOST_USES = 5
LASTS = 30 * 60  # of a response address; seconds
RESPONSES = "slack response"  # the kind of the shelf's records


class Refused(Exception):
    """Slack refuses with a word as plain text."""

    def __init__(self, error: str, status: int = 400) -> None:
        super().__init__(error)
        self.error = error
        self.status = status


GONE = (
    "no_service",
    "no_active_hooks",
    "no_team",
    "team_disabled",
    "invalid_token",
    "channel_not_found",
    "channel_is_archived",
)


@webhooks.errorhandler(Refused)
def refuse(problem: Refused) -> Response:
    headers = {"Retry-After": "1"} if problem.status == 429 else {}
    return Response(problem.error, problem.status, headers, mimetype="text/plain")


@webhooks.post("/services/<team>/<webhook>/<secret>")
def incoming(team: str, webhook: str, secret: str) -> Response:
    """Post to the webhook's channel; what is wrong is said in the answer's body."""
    here = bench()
    fault = find(scripted_faults.WEBHOOKS, secret)
    _admit(here)
    if not fault and team != here.slack.team:
        raise Refused("no_team", 404)
    if not fault and (webhook, secret) != (here.slack.webhook, here.slack.webhook_secret):
        raise Refused("no_service", 404)
    if fault and fault.error in GONE:  # whatever is posted there
        raise Refused(fault.error, fault.status)
    if here.faults.hurried():
        raise Refused("rate_limited", 429)
    here.pause(here.faults.latency)
    given = _given()
    said = _draft(given)
    if fault and fault.refuses(lambda: here.store.stumbles(secret, json.dumps(given))):
        raise Refused(fault.error, fault.status)
    here.slack_messages.add(here.slack.channel, said, by="webhook")
    if fault and fault.breaks:
        raise Refused("", fault.status)
    here.pause(fault.hangs if fault else 0)
    return Response("ok", mimetype="text/plain")


@webhooks.post("/actions/<team>/<number>/<secret>")
def respond(team: str, number: str, secret: str) -> Response:
    """Answer a press: `replace_original`, `delete_original`, else a new message, for the presser
    alone unless `in_channel`.
    """
    here = bench()
    given = _given()
    _admit(here)
    known = here.shelf.get(RESPONSES, number)
    if known is None or team != here.slack.team or secret != known["secret"]:
        raise Refused("invalid_url", 404)
    if time.time() > known["made"] + LASTS:
        raise Refused("expired_url", 404)
    said = None if given.get("delete_original") is True else _draft(given)
    if here.shelf.change(RESPONSES, number, _use)["uses"] > MOST_USES:
        raise Refused("used_url", 404)
    _carry_out(here, known, given, said)
    return Response("ok", mimetype="text/plain")


def _use(record: Record) -> Record:
    return {**record, "uses": record["uses"] + 1}


def _carry_out(
    here: Bench, known: Record, given: dict[str, Any], said: messages.Draft | None
) -> None:
    post = here.slack_messages.get(known["channel"], known["ts"])
    channel = here.slack.find(known["channel"])
    if said is None:
        if post:
            here.slack_messages.delete(post)
    elif given.get("replace_original") is True and post:
        here.slack_messages.replace(post, said)
    elif channel:
        thread = str(given.get("thread_ts") or (post.thread if post else ""))
        only_for = "" if given.get("response_type") == "in_channel" else known["who"]
        here.slack_messages.add(channel, said, by="response", thread=thread, only_for=only_for)


def _admit(here: Bench) -> None:
    if here.faults.refuses():
        raise Refused("rate_limited", 429)
    if here.faults.fails():
        raise Refused("rollup_error", 500)


def _given() -> dict[str, Any]:
    """Read JSON, whatever it is called, or a form whose `payload` is JSON."""
    try:
        given = json.loads(
            request.form["payload"] if "payload" in request.form else request.get_data()
        )
    except ValueError:
        raise Refused("invalid_payload") from None
    if not isinstance(given, dict):
        raise Refused("invalid_payload")
    return given


def _draft(given: dict[str, Any]) -> messages.Draft:
    try:
        return messages.draft(given)
    except SlackError as problem:
        raise Refused(
            "invalid_payload" if problem.error == "invalid_arguments" else problem.error
        ) from None
