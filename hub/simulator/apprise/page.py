"""The page of what the simulated services received, and the same data as JSON."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from hub.simulator.apprise.api import PROVIDER, webhook_of
from hub.simulator.apprise.scripted_faults import TOKENS
from hub.simulator.context import LIMITS, current_simulator
from hub.simulator.page import guard

view = Blueprint("apprise", __name__)
view.before_request(guard)
FAULTS = (("Tokens", TOKENS),)


def _webhook_url() -> str:
    return "discord://{}/{}".format(*webhook_of(current_simulator().account.credentials))


@view.get("/simulator/apprise")
def page() -> str:
    simulator = current_simulator()
    return render_template(
        "simulator/apprise.html",
        url=_webhook_url(),
        posts=simulator.posts.list_posts(PROVIDER),
        scripted_faults=FAULTS,
        version=simulator.store.version,
        faults=simulator.faults,
        limits=LIMITS,
        hub_url=simulator.config.public_url,
    )


@view.get("/simulator/apprise.json")
def list_as_json() -> Response:
    """Return the Apprise URL and the requests that were accepted, oldest first.

    A request has `id`, `host`, `text` (its body as received) and `created`.
    """
    return jsonify(
        url=_webhook_url(),
        posts=[
            {
                "id": post.name,
                "host": post.destination,
                "text": post.body["text"],
                "created": datetime.fromtimestamp(post.created).astimezone().isoformat(),
            }
            for post in current_simulator().posts.list_posts(PROVIDER)
        ],
    )


@view.post("/simulator/apprise/empty")
def empty() -> BaseResponse:
    """Clear the list, and let every token that fails once do so again."""
    current_simulator().posts.hide_all(PROVIDER)
    current_simulator().store.forget_attempts()
    return jsonify(posts=0) if request.is_json else redirect(url_for("apprise.page"), 303)
