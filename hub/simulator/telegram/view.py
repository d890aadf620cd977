"""Views of the simulated Telegram: its chats, the same as JSON, deep links, and the routes through
which people act.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from hub.simulator.context import LIMITS, bench
from hub.simulator.page import LINK, given, guard
from hub.simulator.posts import Post
from hub.simulator.sample_people import PEOPLE
from hub.simulator.telegram import people, scripted_faults
from hub.simulator.telegram.bot import USERNAME
from hub.simulator.telegram.chats import TEAM, Chat, kind_of
from hub.simulator.telegram.messages import PROVIDER

view = Blueprint("telegram", __name__)
view.before_request(guard)
TAG = re.compile(r"(<[^>]*>)")
CHAT_FIELDS = ("id", "type", "name", "state", "moved_to")
PRESS_FIELDS = ("id", "who", "chat", "message", "text", "data", "answered", "said", "alert")
UPDATE_FIELDS = ("kind", "state", "tries", "answer", "content")
SCRIPTED_FAULTS = (("Chats", scripted_faults.CHATS), ("Tokens", scripted_faults.TOKENS))


@view.get("/simulator/telegram")
def page() -> str:
    here = bench()
    counts = {int(place): count for place, count in here.posts.places(PROVIDER).items()}
    chats = [chat for chat in here.telegram.chats.all() if not chat.moved_to or chat.id in counts]
    chats += [_chat(place) for place in counts if place not in {chat.id for chat in chats}]
    chosen = next(
        (chat for chat in chats if str(chat.id) == request.args.get("chat")), None
    ) or next((chat for chat in chats if chat.id == next(iter(counts), 0)), chats[0])
    return render_template(
        "simulator/telegram.html",
        bot=here.telegram.bot,
        chat=chosen,
        chats=chats,
        counts=counts,
        people=PEOPLE,
        posts=[post for post in here.posts.listed(PROVIDER, str(chosen.id)) if not post.gone],
        presses={
            press.message: press for press in here.telegram.presses() if press.chat == chosen.id
        },
        updates=list(reversed(here.telegram.updates.all().items()))[:8],
        pending=here.telegram.updates.pending(),
        scripted_faults=SCRIPTED_FAULTS,
        version=here.store.version,
        faults=here.faults,
        limits=LIMITS,
        hub_url=here.config.public_url,
    )


@view.get("/simulator/telegram.json")
def listed() -> Response:
    """Describe the bot and its webhook, and list chats, messages, presses and updates, each newest
    last; `?chat=` narrows messages to one.

    A chat has `id`, `type`, `name`, `state` (none: never started; member; kicked: blocked the bot,
    or removed it) and `moved_to`. A message has `chat`, `chat_name`, `message_id`, `by` (a person's
    name, null for the bot), `text`, `html`, `entities`, `keyboard` (rows of buttons with `text` and
    `url` or `callback_data`), `reply_to`, `edited`, `edits` and `service`. A press has `id`, `who`,
    `chat`, `message`, `text`, `data`, `answered`, `said` and `alert`. An update has `update_id`,
    `kind`, `state` (waiting, told, dropped), `tries`, `answer` and `content`.
    """
    here = bench()
    webhook = here.telegram.bot.webhook
    updates = here.telegram.updates.all()
    return jsonify(
        bot=here.telegram.bot.user,
        team_chat=here.telegram.bot.team_chat,
        webhook={
            "url": webhook.url,
            "allowed_updates": webhook.allowed,
            "error": webhook.error,
            "pending": here.telegram.updates.pending(),
        },
        chats=[_fields(chat, CHAT_FIELDS) for chat in here.telegram.chats.all()],
        messages=[
            _summary(post) for post in here.posts.listed(PROVIDER, request.args.get("chat", ""))
        ],
        presses=[_fields(press, PRESS_FIELDS) for press in here.telegram.presses()],
        updates=[
            {"update_id": int(number), **{name: update[name] for name in UPDATE_FIELDS}}
            for number, update in updates.items()
        ],
    )


def _fields(row: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


@view.get(f"/{USERNAME}")
def deep_link() -> str | BaseResponse:
    """Show what a deep link opens: the chat with the bot, or the choice of a group, each with its
    button.
    """
    to_group = "startgroup" in request.args
    payload = request.args.get("startgroup") or request.args.get("start") or ""
    return render_template(
        "simulator/telegram_start.html",
        bot=bench().telegram.bot,
        to_group=to_group,
        payload=people.check_payload(payload),
        given=payload,
        people=PEOPLE,
        team=TEAM,
        hub_url=bench().config.public_url,
        who=request.args.get("who", ""),
    )


@view.post(f"/{USERNAME}")
@view.post("/simulator/telegram/start")
def start() -> BaseResponse:
    """Press Start: `who` (Dana Whitfield), `payload` of the deep link; with `group`, a title, the
    bot is added to that group instead.
    """
    body = _given()
    payload = people.check_payload(body.get("payload", ""))
    if body.get("group"):
        return _done(people.start_group(bench().telegram, body["group"], _who(body), payload))
    return _done(people.start(bench().telegram, _who(body), payload))


@view.post("/simulator/telegram/write")
def write() -> BaseResponse:
    """Write `text` (such as /stop): `who` in the chat with the bot, or in the group `chat`."""
    body = _given()
    if not body.get("text", "").strip():
        abort(400, "Enter a text.")
    return _act(
        lambda: people.write(bench().telegram, _place(body), body["text"].strip(), _who(body))
    )


@view.post("/simulator/telegram/block")
def block() -> BaseResponse:
    """Let `who` block the bot, or unblock it with `blocked` 0; with a group's `chat`, remove it
    there, or add it again.
    """
    body = _given()
    blocked = body.get("blocked", "1").lower() not in ("0", "false")
    return _act(lambda: people.block(bench().telegram, _place(body), _who(body), blocked=blocked))


@view.post("/simulator/telegram/press")
def press() -> BaseResponse:
    """Press a `button`, by its text or data: `who` in the chat with the bot, or in the group
    `chat`; `message` names one, else the newest.

    Tells the press's `query`, the `update`, and how the webhook answered.
    """
    body = _given()
    number = int(body["message"]) if body.get("message", "").isdecimal() else 0
    return _act(
        lambda: people.press(
            bench().telegram, _place(body), body.get("button", ""), number, _who(body)
        )
    )


@view.post("/simulator/telegram/upgrade")
def upgrade() -> BaseResponse:
    """Let the group `chat` become a supergroup, which has another id; the team's is one already."""
    body = {"chat": str(bench().telegram.bot.team_chat), **_given()}
    return _act(lambda: people.upgrade(bench().telegram, _place(body), _who(body)))


@view.post("/simulator/telegram/empty")
def empty() -> BaseResponse:
    """Empty all chats, and let every address stumble again; who started or blocked the bot stays
    so.
    """
    bench().posts.wipe(PROVIDER)
    bench().store.forget_stumbles()
    return jsonify(messages=0) if request.is_json else redirect(url_for("telegram.page"), 303)


def _given() -> dict[str, str]:
    # what a button's own address says goes before the fields of the form around it
    return {name: str(value) for name, value in {**given(), **request.args}.items()}


def _who(body: dict[str, str]) -> str:
    return " ".join(body.get("who", "").split()) or PEOPLE[0]


def _place(body: dict[str, str]) -> Chat:
    """Return the chat that is meant: that of an id, else that of a person."""
    if not body.get("chat"):
        return bench().telegram.chats.person(_who(body))
    found = next(
        (chat for chat in bench().telegram.chats.all() if str(chat.id) == body["chat"]), None
    )
    return found or abort(404, "This chat does not exist.")


def _act(do: Any) -> BaseResponse:
    try:
        return _done(do())
    except ValueError as problem:
        abort(400, str(problem))


def _done(done: people.Done) -> BaseResponse:
    if request.is_json:
        return jsonify(
            chat=done.chat.id,
            who=done.chat.name,
            state=done.chat.state,
            update=int(done.update or 0),
            answer=done.answer,
            query=done.query or None,
        )
    kept: dict[str, Any] = {"who": request.form["who"]} if request.form.get("who") else {}
    return redirect(url_for("telegram.page", chat=done.chat.id, **kept), 303)


def _chat(place: int) -> Chat:
    return bench().telegram.chats.get(place) or Chat(place, kind_of(place), str(place))


def _summary(post: Post) -> dict[str, Any]:
    said = post.body
    return {
        "chat": int(post.place),
        "chat_name": _chat(int(post.place)).name,
        "message_id": int(post.name),
        "by": said["by"] or None,
        "text": said["text"],
        "html": said["html"],
        "entities": said["entities"],
        "keyboard": said["keyboard"],
        "reply_to": int(post.thread) if post.thread else None,
        "edited": post.edits > 0,
        "edits": post.edits,
        "service": said["service"],
        "created": datetime.fromtimestamp(post.created).astimezone().isoformat(),
    }


@view.app_template_filter()
def telegram_html(html: str) -> Markup:
    """Mark what was made of a message's entities, each part escaped, as the HTML it is, and make
    bare web addresses clickable.
    """
    parts = TAG.split(html)
    linked = 0
    for n, part in enumerate(parts):
        if n % 2:
            linked += part.startswith("<a ") - (part == "</a>")
        elif not linked:
            parts[n] = LINK.sub(r'<a href="\g<0>" rel="noreferrer">\g<0></a>', part)
    return Markup("".join(parts))  # noqa: S704 - see hub/simulator/telegram/entities.py
