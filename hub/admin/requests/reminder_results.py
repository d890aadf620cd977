"""Describe how many reminders a user has queued, and who could not be reminded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.admin.requests import signing_summary, skipped_sentences
from hub.admin.view.filters import plural
from hub.core.vocabulary import EventType, PersonRole, Status
from hub.models import SigningRequest
from hub.signing import reminders


def describe_reminders(row: SigningRequest, response: Mapping[str, Any]) -> tuple[str, str]:
    """Return sentences about the response of `reminders.remind`, and their tone."""
    count = reminders.reachable_signers(dict(response))
    items = response["skipped"]
    reached = {
        message["signer"] for message in response["messages"] if message["status"] == Status.QUEUED
    }
    snoozed = {item["signer"] for item in items if item["reason"] == "snoozed"}
    unreached = {item["signer"] for item in items} - snoozed - reached - {""}
    text = f"{plural(count, 'reminder')} queued." if count else "No reminder could be sent."
    if len(unreached) == 1:
        text += f" {_describe_unreached(row, unreached.pop(), items)}"
    elif unreached:
        text += f" {len(unreached)} signers could not be notified. The reasons are on this page."
    if snoozed:
        text += f" Reminders to {plural(len(snoozed), 'signer')} are snoozed."
    return text, "good" if count else "warn"


def _describe_unreached(row: SigningRequest, signer: str, items: list[dict[str, Any]]) -> str:
    """Return the name of the only signer who could not be notified, with the reasons."""
    named = [person for person in row.signers if person.external_id == signer]
    name = signing_summary.signer_name(named[0]) if named else signer
    typed = [(EventType.REMINDER.value, item) for item in items if item["signer"] == signer]
    reasons = skipped_sentences.describe_items(row, typed).get((PersonRole.SIGNER, signer), [])
    return " ".join([f"{name} could not be notified.", *reasons])
