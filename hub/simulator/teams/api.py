"""The address of a workflow that starts when a Teams webhook request is received.

https://learn.microsoft.com/en-us/connectors/teams/#microsoft-teams-webhook
"""

from __future__ import annotations

import hmac
import json
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, request

from hub.simulator.context import Bench, bench
from hub.simulator.fault import find
from hub.simulator.teams import cards, scripted_faults
from hub.simulator.teams.workflow import PATH

PROVIDER = "teams"
PLACE = "signing"
LARGEST = 28 * 1024  # bytes of one message
SENTENCES = {  # code → what Logic Apps says with it
    "InvalidJson": "The request body could not be parsed as JSON.",
    "TriggerInputSchemaMismatch": (
        "The input body for trigger 'manual' of type 'Request' did not match its schema"
        " definition. {}"
    ),
    "DirectApiAuthorizationRequired": (
        "The request must be authenticated only by Shared Access scheme."
    ),
    "WorkflowNotFound": "The workflow could not be found.",
    "WorkflowTriggerIsNotEnabled": (
        "Could not execute workflow trigger 'manual': the workflow is disabled."
    ),
    "RequestEntityTooLarge": "The request entity is too large.",
    "TooManyRequests": "Rate limit is exceeded. Try again in 1 seconds.",
}

api = Blueprint("teams_api", __name__)


class Refused(Exception):
    """The trigger is not fired: an HTTP status, a code and its sentence."""

    def __init__(self, status: int, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.sentence = (
            SENTENCES.get(code, "The server could not do it. Try again later.")
            .format(detail)
            .strip()
        )


@api.errorhandler(Refused)
def refuse(problem: Refused) -> Response:
    answer = jsonify(error={"code": problem.code, "message": problem.sentence})
    answer.status_code = problem.status
    if problem.status == 429:
        answer.headers["Retry-After"] = "1"
    return answer


@api.post(PATH.format("<workflow>"))
def invoke(workflow: str) -> tuple[str, int]:
    """Take a message and post its cards; what the cards' drawing meets later is told to nobody."""
    here = bench()
    fault = find(scripted_faults.WORKFLOWS, workflow)
    _admit(here, workflow, fault)
    body = request.get_data()
    if len(body) > LARGEST:
        raise Refused(413, "RequestEntityTooLarge")
    message = _message(body)
    if fault and fault.refuses(
        lambda: here.store.stumbles(workflow, body.decode(errors="replace"))
    ):
        raise Refused(fault.status, fault.error)
    run = cards.Run(failed=fault.fails) if fault and fault.fails else cards.run(message)
    number = str(here.shelf.number("teams post"))
    here.posts.add(PROVIDER, PLACE, number, {**asdict(run), "message": message, "size": len(body)})
    if fault and fault.breaks:
        if fault.error:
            raise Refused(fault.status, fault.error)
        return "", fault.status
    here.pause(fault.hangs if fault else 0)
    return "", 202


def _admit(here: Bench, workflow: str, fault: scripted_faults.Workflow | None) -> None:
    if here.faults.refuses() or here.faults.hurried():
        raise Refused(429, "TooManyRequests")
    if here.faults.fails():
        raise Refused(500, "InternalServerError")
    here.pause(here.faults.latency)
    if fault:
        return
    if workflow != here.teams.id:
        raise Refused(404, "WorkflowNotFound")
    if not hmac.compare_digest(request.args.get("sig", "").encode(), here.teams.sig.encode()):
        raise Refused(401, "DirectApiAuthorizationRequired")


def _message(body: bytes) -> dict[str, Any]:
    try:
        message = json.loads(body)
    except ValueError:
        raise Refused(400, "InvalidJson") from None
    if wrong := cards.mismatch(message):
        raise Refused(400, "TriggerInputSchemaMismatch", wrong)
    return dict(message)
