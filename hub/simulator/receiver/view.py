"""The page of the simulated receiver: its requests and secrets, and the same data as JSON."""

from __future__ import annotations

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from hub.simulator.context import current_simulator
from hub.simulator.page import guard
from hub.simulator.receiver.api import WORKING
from hub.simulator.receiver.scripted_faults import RECEIVERS

view = Blueprint("receiver", __name__)
view.before_request(guard)
SHOWN = 50


@view.get("/simulator/receiver")
def page() -> str:
    simulator = current_simulator()
    return render_template(
        "simulator/receiver.html",
        url=f"{simulator.config.simulator_url}/receiver/{WORKING}",
        requests=simulator.webhooks.list_requests()[:SHOWN],
        secrets=len(simulator.webhooks.secrets),
        scripted_faults=(("Addresses", RECEIVERS),),
        hub_url=simulator.config.public_url,
    )


@view.get("/simulator/receiver.json")
def list_as_json() -> Response:
    """Return the requests, newest first: `address`, `status`, `verified`, `headers`, `body`."""
    simulator = current_simulator()
    return jsonify(
        url=f"{simulator.config.simulator_url}/receiver/{WORKING}",
        requests=simulator.webhooks.list_requests(),
    )


@view.post("/simulator/receiver/secrets")
def add_secret() -> BaseResponse:
    """Add the secret of an endpoint, so that its requests are verified."""
    posted = request.get_json() if request.is_json else request.form
    try:
        current_simulator().webhooks.add_secret(str(posted.get("secret", "")))
    except ValueError as problem:
        abort(422, str(problem))
    return jsonify(added=True) if request.is_json else redirect(url_for("receiver.page"), 303)


@view.post("/simulator/receiver/empty")
def empty() -> BaseResponse:
    """Clear the log, so that every event arrives for the first time again."""
    current_simulator().webhooks.empty()
    return jsonify(requests=0) if request.is_json else redirect(url_for("receiver.page"), 303)
