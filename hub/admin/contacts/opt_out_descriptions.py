"""Describe opt-outs, for the pages of conversations and signing requests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from flask import url_for

from hub.admin.contacts.suppressions import REASONS
from hub.admin.view.status_badges import channel_title
from hub.messaging.contacts.opt_out_status import OBJECTION, OptOut


@dataclass(frozen=True)
class OptOutDescription:
    """A description of an opt-out."""

    channel: str
    reason: str
    code: str
    since: datetime
    href: str  # the contact's page, or '' for an unknown contact


def describe_opt_outs(opt_outs: Iterable[OptOut]) -> list[OptOutDescription]:
    """Return descriptions of opt-outs; opt-outs that differ only in the channel are one note."""
    channels_by_key: dict[tuple[str, str, datetime, str], list[str]] = {}
    for opt_out in opt_outs:
        channel = channel_title(opt_out.channel) if opt_out.channel else "every channel"
        key = (opt_out.reason, opt_out.code, opt_out.since, opt_out.contact_id)
        channels_by_key.setdefault(key, []).append(channel)
    return [
        OptOutDescription(
            ", ".join(dict.fromkeys(channels)),
            "Consent refused" if reason == OBJECTION else REASONS.get(reason, reason),
            code,
            since,
            url_for("admin.contact", contact_id=contact_id) if contact_id else "",
        )
        for (reason, code, since, contact_id), channels in channels_by_key.items()
    ]
