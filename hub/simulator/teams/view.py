"""Views of the simulated Teams: its channel's page, and the same as JSON.

Buttons of cards are links, and are followed as such.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from hub.simulator.context import LIMITS, bench
from hub.simulator.page import guard
from hub.simulator.posts import Post
from hub.simulator.teams import cards, markdown, scripted_faults
from hub.simulator.teams.api import LARGEST, PROVIDER
from hub.simulator.teams.workflow import CHANNEL

view = Blueprint("teams", __name__)
view.before_request(guard)
SCRIPTED_FAULTS = (("Workflow IDs", scripted_faults.WORKFLOWS),)


@view.get("/simulator/teams")
def page() -> str:
    here = bench()
    return render_template(
        "simulator/teams.html",
        workflow=here.teams,
        channel=CHANNEL,
        posts=here.posts.listed(PROVIDER),
        scripted_faults=SCRIPTED_FAULTS,
        largest=LARGEST,
        version=here.store.version,
        faults=here.faults,
        limits=LIMITS,
        hub_url=here.config.public_url,
    )


@view.get("/simulator/teams.json")
def listed() -> Response:
    """Tell the workflow's address and list what it took, newest last.

    A post has `id`, `cards` (as they were given), `texts`, `facts` (pairs), `actions` (with `title`
    and `url`; GET that follows one), `failed` (why the flow's run failed after the message was
    taken, or null), `notes` (what readers do not get), `size` and `message`.
    """
    here = bench()
    return jsonify(
        url=here.teams.url,
        channel=CHANNEL,
        posts=[_summary(post) for post in here.posts.listed(PROVIDER)],
    )


@view.post("/simulator/teams/empty")
def empty() -> BaseResponse:
    """Empty the channel, and let every workflow stumble again."""
    bench().posts.wipe(PROVIDER)
    bench().store.forget_stumbles()
    return jsonify(posts=0) if request.is_json else redirect(url_for("teams.page"), 303)


def _summary(post: Post) -> dict[str, Any]:
    found = list(cards.walk(post.body["cards"]))
    facts = [
        fact
        for one in found
        if one["type"] == "FactSet"
        for fact in one.get("facts") or ()
        if isinstance(fact, dict)
    ]
    return {
        "id": post.name,
        "cards": post.body["cards"],
        "texts": [one.get("text") for one in found if one["type"] == "TextBlock"],
        "facts": [[fact.get("title"), fact.get("value")] for fact in facts],
        "actions": [
            {"title": one.get("title"), "url": one.get("url")}
            for one in found
            if one["type"] == "Action.OpenUrl"
        ],
        "failed": post.body["failed"] or None,
        "notes": post.body["notes"],
        "size": post.body["size"],
        "message": post.body["message"],
        "created": datetime.fromtimestamp(post.created).astimezone().isoformat(),
    }


@view.app_template_filter()
def card_text(text: Any) -> Markup:
    """Write a card's text as its readers see it."""
    return markdown.render(str(text))


view.add_app_template_test(cards.is_link, "link")
