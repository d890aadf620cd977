"""The addresses of the simulated signing app that receive webhooks."""

from __future__ import annotations

from flask import Blueprint, Response, abort, request

from hub.simulator.context import current_simulator
from hub.simulator.fault import find_fault
from hub.simulator.receiver.scripted_faults import RECEIVERS

WORKING = "ok"
LARGE = b"x" * 1024 * 1024

api = Blueprint("receiver_api", __name__)


@api.post("/receiver/<address>")
def receive(address: str) -> Response:
    """Receive a webhook. A wrong signature gets 401, as in a real app."""
    simulator = current_simulator()
    fault = find_fault(RECEIVERS, address)
    if fault is None and address != WORKING:
        abort(404, "The simulated app has no such address.")
    log = simulator.webhooks
    is_refused = fault is not None and (
        not fault.fails_once or log.is_first(address, request.headers.get("webhook-id", ""))
    )
    status = fault.status if fault is not None and is_refused else 200
    record = log.record(address, dict(request.headers), request.get_data(), status)
    if fault is not None and is_refused:
        simulator.pause(fault.hangs)
        body = LARGE if address == "large" else fault.title.encode()
        return Response(body, fault.status, headers=dict(fault.headers), mimetype="text/plain")
    if not record["verified"]:
        return Response("The signature does not match.\n", 401, mimetype="text/plain")
    return Response("Received.\n", 200, mimetype="text/plain")
