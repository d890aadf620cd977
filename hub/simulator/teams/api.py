"""The address of a workflow that starts when a Teams webhook request is received.

https://learn.microsoft.com/en-us/connectors/teams/#microsoft-teams-webhook
"""

from __future__ import annotations

import hmac
import json
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, request

from hub.simulator.context import SimulatorContext, current_simulator
from hub.simulator.fault import find_fault
from hub.simulator.teams import cards, scripted_faults
from hub.simulator.teams.workflow import PATH

PROVIDER = "teams"
CHANNEL_KEY = "signing"
MAX_MESSAGE_BYTES = 28 * 1024  # bytes of one message
SENTENCES = {  # error code of Logic Apps → its sentence
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


class TriggerError(Exception):
    """The trigger refuses a request: an HTTP status, a code and its sentence."""

    def __init__(self, status: int, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.sentence = (
            SENTENCES.get(code, "The server could not do it. Try again later.")
            .format(detail)
            .strip()
        )


@api.errorhandler(TriggerError)
def error_response(error: TriggerError) -> Response:
    response = jsonify(error={"code": error.code, "message": error.sentence})
    response.status_code = error.status
    if error.status == 429:
        response.headers["Retry-After"] = "1"
    return response


@api.post(PATH.format("<workflow>"))
def invoke(workflow: str) -> tuple[str, int]:
    """Accept a message and post its cards. Later failures of the flow are not reported to the
    caller.
    """
    simulator = current_simulator()
    fault = find_fault(scripted_faults.WORKFLOWS, workflow)
    _check_access(simulator, workflow, fault)
    body = request.get_data()
    if len(body) > MAX_MESSAGE_BYTES:
        raise TriggerError(413, "RequestEntityTooLarge")
    message = _message(body)
    if fault and fault.should_refuse(
        lambda: simulator.store.is_first_attempt(workflow, body.decode(errors="replace"))
    ):
        raise TriggerError(fault.status, fault.error)
    flow_run = (
        cards.Run(failed=fault.run_error) if fault and fault.run_error else cards.run_flow(message)
    )
    number = str(simulator.records.next_number("teams post"))
    simulator.posts.add(
        PROVIDER, CHANNEL_KEY, number, {**asdict(flow_run), "message": message, "size": len(body)}
    )
    if fault and fault.breaks:
        if fault.error:
            raise TriggerError(fault.status, fault.error)
        return "", fault.status
    simulator.pause(fault.hangs if fault else 0)
    return "", 202


def _check_access(
    simulator: SimulatorContext, workflow: str, fault: scripted_faults.Workflow | None
) -> None:
    if simulator.faults.use_refusal() or simulator.faults.is_rate_limited():
        raise TriggerError(429, "TooManyRequests")
    if simulator.faults.use_failure():
        raise TriggerError(500, "InternalServerError")
    simulator.pause(simulator.faults.latency)
    if fault:
        return
    if workflow != simulator.teams.id:
        raise TriggerError(404, "WorkflowNotFound")
    if not hmac.compare_digest(request.args.get("sig", "").encode(), simulator.teams.sig.encode()):
        raise TriggerError(401, "DirectApiAuthorizationRequired")


def _message(body: bytes) -> dict[str, Any]:
    try:
        message = json.loads(body)
    except ValueError:
        raise TriggerError(400, "InvalidJson") from None
    if error := cards.mismatch(message):
        raise TriggerError(400, "TriggerInputSchemaMismatch", error)
    return dict(message)
