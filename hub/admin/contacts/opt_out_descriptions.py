"""Describe opt-outs and unreachable addresses, for all pages that show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import url_for

from hub import integrations
from hub.admin.view.status_badges import channel_title
from hub.core.vocabulary import Channel
from hub.integrations.base import Problem
from hub.messaging.contacts.opt_out_status import OBJECTION, OptOut
from hub.messaging.contacts.suppressions import BY_PROVIDER
from hub.messaging.policy import opt_out_kinds
from hub.messaging.policy.opt_out_kinds import OptOutKind
from hub.messaging.track.error_codes import BY_KEYWORD, BY_UNSUBSCRIBE, CODES, KEY_PRESSED
from hub.models import Suppression

NAMES: Mapping[str, str] = {"": "every channel", Channel.VOICE: "phone calls"}
_LABELS = {
    OptOutKind.OPTED_OUT: "Opted out",
    OptOutKind.REFUSED: "Consent refused",
    OptOutKind.COMPLAINED: "Reported spam",
    OptOutKind.BLOCKED: "Blocked",
    OptOutKind.UNREACHABLE: "Not reachable",
}
_LEADS = {
    OptOutKind.OPTED_OUT: "Opted out of {}",
    OptOutKind.REFUSED: "Consent refused for {}",
    OptOutKind.COMPLAINED: "Reported spam on {}",
    OptOutKind.BLOCKED: "Blocked on {}",
    OptOutKind.UNREACHABLE: "Not reachable by {}, as reported",
}
_UNKNOWN = {
    OptOutKind.UNREACHABLE: Problem(
        "",
        "The provider reports that nobody can be reached at this address.",
        "Correct the address in the signing app, or use another channel.",
    ),
    OptOutKind.BLOCKED: Problem(
        "",
        "The provider delivers no messages to this person.",
        "Ask the person, or use another channel.",
    ),
}
_GENERAL = Problem(
    "", "This person receives no messages.", "Check the reason on the page of the contact."
)


@dataclass(frozen=True)
class OptOutDescription:
    """A description of an opt-out: what happened, and how to fix it."""

    label: str  # for a badge
    lead: str  # what happened on which channels
    channel: str
    text: str
    remedy: str
    code: str
    since: datetime
    href: str  # the contact's page, or '' for an unknown contact

    @property
    def blocked(self) -> str:
        """The messages that the address does not receive, without a full stop."""
        if self.channel == Channel.SMS.title:
            return "This number receives no SMS"
        if self.channel == Channel.EMAIL.title:
            return "This address receives no emails"
        return f"This address receives no messages on {self.channel}"


def describe_opt_outs(opt_outs: Iterable[OptOut]) -> list[OptOutDescription]:
    """Return descriptions of opt-outs; opt-outs that differ only in the channel are one note."""
    groups: dict[tuple[object, ...], list[OptOut]] = {}
    for opt_out in opt_outs:
        key = (opt_out.reason, opt_out.code, opt_out.since, opt_out.contact_id, opt_out.kind)
        groups.setdefault(key, []).append(opt_out)
    return [_describe(group) for group in groups.values()]


def _describe(group: Sequence[OptOut]) -> OptOutDescription:
    first = group[0]
    problem = explain(first.reason, first.code, first.channel, first.integration, first.kind)
    names = dict.fromkeys(channel_name(opt_out.channel) for opt_out in group)
    channels = ", ".join(names)
    return OptOutDescription(
        badge_label(first.kind, first.channel if len(names) == 1 else ""),
        _LEADS[first.kind].format(channels),
        channels,
        problem.text,
        problem.remedy,
        first.code,
        first.since,
        url_for("admin.contact", contact_id=first.contact_id) if first.contact_id else "",
    )


def channel_name(channel: str) -> str:
    """Return the name of a channel in a sentence; '' is every channel."""
    return NAMES.get(channel) or channel_title(channel)


def badge_label(kind: OptOutKind, channel: str) -> str:
    """Return the text of a badge."""
    names_channel = kind == OptOutKind.UNREACHABLE and channel
    return f"Not reachable by {channel_name(channel)}" if names_channel else _LABELS[kind]


def badge_labels(rows: Sequence[Suppression], reporters: dict[str, str]) -> list[str]:
    """Return the texts of the badges of a person, the decisions of the person first.

    `reporters`: the integration of each suppression, see `find_integrations`.
    """
    found = {
        (opt_out_kinds.kind_of(row.reason, row.code, row.channel, reporters.get(row.id, "")), row)
        for row in rows
    }
    order = list(OptOutKind)
    ranked = sorted(found, key=lambda item: (order.index(item[0]), item[1].channel))
    return list(dict.fromkeys(badge_label(kind, row.channel) for kind, row in ranked))


def label(row: Suppression, integration: str) -> str:
    """Return the text of the badge of one suppression."""
    kind = opt_out_kinds.kind_of(row.reason, row.code, row.channel, integration)
    return badge_label(kind, row.channel)


def lead(row: Suppression, integration: str) -> str:
    """Return what happened on which channels."""
    kind = opt_out_kinds.kind_of(row.reason, row.code, row.channel, integration)
    covered = opt_out_kinds.covered_channels(row.channel, kind)
    return _LEADS[kind].format(", ".join(map(channel_name, covered)))


def is_unreachable(row: Suppression, integration: str) -> bool:
    """Return whether an address cannot be reached, rather than opted out."""
    kind = opt_out_kinds.kind_of(row.reason, row.code, row.channel, integration)
    return kind == OptOutKind.UNREACHABLE


def describe_suppression(row: Suppression, integration: str) -> Problem:
    """Return what happened, and how to fix it."""
    kind = opt_out_kinds.kind_of(row.reason, row.code, row.channel, integration)
    return explain(row.reason, row.code, row.channel, integration, kind)


def explain(reason: str, code: str, channel: str, integration: str, kind: OptOutKind) -> Problem:
    """Return what happened, and how to fix it. Without an integration, those of the channel are
    searched for the code.
    """
    if reason == OBJECTION:
        return CODES["consent_no"]
    if channel == Channel.VOICE and reason in (BY_KEYWORD, BY_UNSUBSCRIBE):
        return KEY_PRESSED
    if reason != BY_PROVIDER:
        return CODES.get(reason, _GENERAL)
    for reporter in integrations.registry().values():
        is_reporter = reporter.name == integration if integration else reporter.channel == channel
        if is_reporter and code and (problem := reporter.explain(code)) is not None:
            return problem
    return CODES.get(code) or _UNKNOWN.get(kind, _GENERAL)
