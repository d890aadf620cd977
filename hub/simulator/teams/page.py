"""The page of the simulated Teams channel, and the same data as JSON.

Buttons of cards are links.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from hub.simulator.context import LIMITS, current_simulator
from hub.simulator.page import guard
from hub.simulator.posts import Post
from hub.simulator.teams import cards, markdown, scripted_faults
from hub.simulator.teams.api import MAX_MESSAGE_BYTES, PROVIDER
from hub.simulator.teams.workflow import CHANNEL

view = Blueprint("teams", __name__)
view.before_request(guard)
FAULTS = (("Workflow IDs", scripted_faults.WORKFLOWS),)


@view.get("/simulator/teams")
def page() -> str:
    simulator = current_simulator()
    return render_template(
        "simulator/teams.html",
        workflow=simulator.teams,
        channel=CHANNEL,
        posts=simulator.posts.list_posts(PROVIDER),
        scripted_faults=FAULTS,
        largest=MAX_MESSAGE_BYTES,
        version=simulator.store.version,
        faults=simulator.faults,
        limits=LIMITS,
        hub_url=simulator.config.public_url,
    )


@view.get("/simulator/teams.json")
def list_as_json() -> Response:
    """Return the workflow's address and the posts that it accepted, oldest first.

    A post has `id`, `cards` (as received), `texts`, `facts` (pairs), `actions` (with `title` and
    `url`), `failed` (why the run failed after the message was accepted, or null), `notes` (parts
    that readers do not see), `size` and `message`.
    """
    simulator = current_simulator()
    return jsonify(
        url=simulator.teams.url,
        channel=CHANNEL,
        posts=[_post_json(post) for post in simulator.posts.list_posts(PROVIDER)],
    )


@view.post("/simulator/teams/empty")
def empty() -> BaseResponse:
    """Clear the channel, and let every workflow that fails once do so again."""
    current_simulator().posts.hide_all(PROVIDER)
    current_simulator().store.forget_attempts()
    return jsonify(posts=0) if request.is_json else redirect(url_for("teams.page"), 303)


def _post_json(post: Post) -> dict[str, Any]:
    elements = list(cards.walk(post.body["cards"]))
    facts = [
        fact
        for element in elements
        if element["type"] == "FactSet"
        for fact in element.get("facts") or ()
        if isinstance(fact, dict)
    ]
    return {
        "id": post.name,
        "cards": post.body["cards"],
        "texts": [element.get("text") for element in elements if element["type"] == "TextBlock"],
        "facts": [[fact.get("title"), fact.get("value")] for fact in facts],
        "actions": [
            {"title": element.get("title"), "url": element.get("url")}
            for element in elements
            if element["type"] == "Action.OpenUrl"
        ],
        "failed": post.body["failed"] or None,
        "notes": post.body["notes"],
        "size": post.body["size"],
        "message": post.body["message"],
        "created": datetime.fromtimestamp(post.created).astimezone().isoformat(),
    }


@view.app_template_filter()
def card_text(text: Any) -> Markup:
    """Render a card's text as HTML."""
    return markdown.render(str(text))


view.add_app_template_test(cards.is_link, "link")
