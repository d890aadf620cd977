"""Receive the requests of all services. The path begins with the host that they were meant for.

The simulated webhook is one of Discord: https://docs.discord.com/developers/resources/webhook
"""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from hub.core.data_dir import SimulatorCredentials
from hub.simulator.apprise.scripted_faults import TOKENS
from hub.simulator.context import SimulatorContext, current_simulator
from hub.simulator.fault import find_fault

PROVIDER = "apprise"
HOST = "discord.com"
METHODS = ("GET", "POST", "PUT")
api = Blueprint("apprise_api", __name__)


def webhook_of(credentials: SimulatorCredentials) -> tuple[str, str]:
    """Return ID and token of the simulated webhook."""
    return credentials.derive("apprise webhook", 18), credentials.derive("apprise token", 40)


@api.route("/apprise/<host>/", methods=METHODS, defaults={"path": ""})
@api.route("/apprise/<host>/<path:path>", methods=METHODS)
def receive(host: str, path: str) -> Response:
    """Store a request, and answer it as services do."""
    simulator = current_simulator()
    text = request.get_data(as_text=True)
    fault = find_fault(TOKENS, path.rstrip("/").rpartition("/")[2])
    if refusal := _refusal(simulator, host, path, has_fault=fault is not None):
        return refusal
    if fault and fault.should_refuse(lambda: simulator.store.is_first_attempt(path, text)):
        return _answer(fault.status, fault.error)
    number = str(simulator.records.next_number("apprise post"))
    simulator.posts.add(PROVIDER, host, number, {"text": text})
    if fault and fault.breaks:
        return _answer(fault.status, fault.error)
    simulator.pause(fault.hangs if fault else 0)
    return _answer(200)


def _refusal(
    simulator: SimulatorContext, host: str, path: str, *, has_fault: bool
) -> Response | None:
    if simulator.faults.use_refusal() or simulator.faults.is_rate_limited():
        return _answer(429, "slow down")
    if simulator.faults.use_failure():
        return _answer(500, "failed")
    simulator.pause(simulator.faults.latency)
    webhook = "/".join(webhook_of(simulator.account.credentials))
    if host == HOST and not has_fault and path != f"api/webhooks/{webhook}":
        return _answer(404, "unknown")
    return None


def _answer(status: int, error: str = "") -> Response:
    answer = jsonify({"error": error} if error else {"success": True, "ok": True, "status": 1})
    answer.status_code = status
    if status == 429:
        answer.headers["Retry-After"] = "1"
    if status == 302:
        answer.headers["Location"] = "https://elsewhere.example/"
    return answer
