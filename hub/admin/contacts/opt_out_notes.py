"""Opt-outs in words, for the pages of people who are about to be messaged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from flask import url_for

from hub.admin.contacts.suppressions import REASONS
from hub.admin.view.status_badges import channel_title
from hub.messaging.contacts.opt_out_status import OBJECTION, OptOut


@dataclass(frozen=True)
class Note:
    """An opt-out in words; `href` is the contact's page, '' where no contact is known."""

    channel: str
    reason: str
    code: str
    since: datetime
    href: str


def notes(opt_outs: Iterable[OptOut]) -> list[Note]:
    """Write opt-outs in words; those that differ in the channel alone stand on one line."""
    together: dict[tuple[str, str, datetime, str], list[str]] = {}
    for one in opt_outs:
        channel = channel_title(one.channel) if one.channel else "every channel"
        key = (one.reason, one.code, one.since, one.contact_id)
        together.setdefault(key, []).append(channel)
    return [
        Note(
            ", ".join(dict.fromkeys(channels)),
            "Refused messages" if reason == OBJECTION else REASONS.get(reason, reason),
            code,
            since,
            url_for("admin.contact", contact_id=contact_id) if contact_id else "",
        )
        for (reason, code, since, contact_id), channels in together.items()
    ]
