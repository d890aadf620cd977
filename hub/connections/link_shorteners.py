"""Set up the services that shorten links, and test them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hub.core.errors import NotFound, Refused
from hub.db.engine import db
from hub.db.store import transaction
from hub.integrations.link_shorteners import SHORTENERS, LinkShortener, ShorteningFailed
from hub.integrations.link_shorteners.base import check_domain
from hub.integrations.settings_fields import noun_of
from hub.messaging.policy.rules import LINK_KINDS
from hub.messaging.send import link_shortening
from hub.models import Setting
from hub.shared import audit

MAX_LENGTH = 300  # characters of a setting


@dataclass(frozen=True)
class ShortenerTest:
    """The result of a test: the response of the service, the remedy, and the setting at fault."""

    passed: bool
    text: str
    remedy: str = ""
    field: str = ""


def find_shortener(name: str) -> type[LinkShortener]:
    """Return a service. Raises NotFound."""
    if name not in SHORTENERS:
        raise NotFound("no_such_service", "There is no such service.")
    return SHORTENERS[name]


def list_link_kinds() -> dict[str, str]:
    """Return the kinds of links that the rules of a connection can choose, with their titles."""
    kinds = dict(LINK_KINDS)
    for name, shortener in SHORTENERS.items():
        settings = link_shortening.read_settings(name)
        if settings is not None:
            kinds[name] = f"{shortener.title} ({settings.get('domain', '')})"
    return kinds


def merge_settings(name: str, entered: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of a service: an empty secret keeps the stored one.

    Raises Refused that names the field.
    """
    stored = link_shortening.read_settings(name) or {}
    merged = {}
    for field in find_shortener(name).fields:
        value = entered.get(field.name, "").strip()
        if field.secret and not value:
            value = stored.get(field.name, "")
        if field.required and not value:
            raise Refused("required", f"Enter the {noun_of(field.label)}.", field=field.name)
        if len(value) > MAX_LENGTH or not value.isprintable() or not value.isascii():
            problem = f"Use at most {MAX_LENGTH} ASCII characters, without line breaks."
            raise Refused("bad_value", problem, field=field.name)
        merged[field.name] = value.lower() if field.name == "domain" else value
    if problem := check_domain(merged["domain"]):
        raise Refused("bad_domain", problem, field="domain")
    return merged


def test_settings(name: str, settings: Mapping[str, str]) -> ShortenerTest:
    """Ask a service whether it accepts settings, without a transaction and without a change."""
    shortener = link_shortening.create_shortener(name, settings)
    db.session.rollback()
    try:
        return ShortenerTest(True, shortener.check())
    except ShorteningFailed as error:
        return ShortenerTest(False, error.text, error.remedy, error.field)


@transaction
def save_settings(name: str, settings: Mapping[str, str]) -> None:
    """Store the settings of a service, which apply from the next message."""
    key = f"{link_shortening.SETTING}{name}"
    row = db.session.get(Setting, key) or Setting(name=key)
    row.value = dict(settings)
    db.session.add(row)
    audit.record("link_shortener.changed", key, find_shortener(name).title)
    link_shortening.forget_failure(name)


@transaction
def remove_settings(name: str) -> None:
    """Delete the settings of a service. Connections that use it send links of Signpost."""
    key = f"{link_shortening.SETTING}{name}"
    row = db.session.get(Setting, key)
    if row is not None:
        db.session.delete(row)
        audit.record("link_shortener.removed", key, find_shortener(name).title)
