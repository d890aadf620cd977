"""One person's phone, chat and mailbox side by side, so that a fallback can be watched."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from hub.simulator import scripted_numbers
from hub.simulator.context import SimulatorContext, current_simulator
from hub.simulator.page import STATUS_BADGES, WHATSAPP_LOOKS, format_number
from hub.simulator.posts import Post
from hub.simulator.store import Message
from hub.simulator.telegram.chats import Chat
from hub.simulator.telegram.messages import PROVIDER as TELEGRAM

view = Blueprint("person", __name__)
MAX_CHOICES = 24
MAX_SHOWN = 20  # messages in each place


@view.get("/simulator/person")
def page() -> str:
    """Show the places of one person: `phone`, `email` and `chat` choose them."""
    simulator = current_simulator()
    numbers = [number for number, _ in simulator.store.phones()[:MAX_CHOICES]]
    emails = list(reversed(simulator.mailbox.list_emails()))
    recipients = list(dict.fromkeys(email.recipient for email in emails))[:MAX_CHOICES]
    chats = [chat for chat in simulator.telegram.chats.all() if chat.private]
    number = _choose("phone", numbers)
    recipient = _choose("email", recipients)
    chat = next((one for one in chats if str(one.id) == request.args.get("chat")), None)
    return render_template(
        "simulator/person.html",
        phone_choices=[(one, format_number(one)) for one in numbers],
        number=number,
        texts=_newest_texts(simulator, number),
        email_choices=[(one, one) for one in recipients],
        recipient=recipient,
        emails=[email for email in emails if email.recipient == recipient][:MAX_SHOWN],
        chat_choices=[(str(one.id), one.name) for one in chats],
        chat=chat,
        posts=_newest_posts(simulator, chat) if chat else [],
        looks=STATUS_BADGES,
        ticks=WHATSAPP_LOOKS,
        version=simulator.store.version,
        hub_url=simulator.config.public_url,
    )


def _choose(name: str, known: list[str]) -> str:
    """Return the requested address if it is known. The phone used last is shown at first.

    Nothing tells whose a chat or mailbox is, so none is chosen for a phone.
    """
    requested = request.args.get(name)
    if requested in known:
        return str(requested)
    is_first_visit = name == "phone" and requested is None
    return known[0] if is_first_visit and known else ""


def _newest_texts(simulator: SimulatorContext, number: str) -> list[Message]:
    """Return the messages of both channels of a phone, the newest first."""
    if not number:
        return []
    addresses = (number, scripted_numbers.PREFIX + number)
    texts = [
        message for address in addresses for message in simulator.store.chat(address, MAX_SHOWN)
    ]
    return sorted(texts, key=lambda message: message.seq, reverse=True)[:MAX_SHOWN]


def _newest_posts(simulator: SimulatorContext, chat: Chat) -> list[Post]:
    posts = simulator.posts.list_posts(TELEGRAM, str(chat.id))
    shown = [post for post in posts if not post.is_deleted and not post.body.get("service")]
    return list(reversed(shown))[:MAX_SHOWN]
