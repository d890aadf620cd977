"""Build what an integration sends: a message's row with its recipient and its opened content."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from flask import current_app

from hub.core.bind_address import is_loopback
from hub.db.encrypted_fields import MESSAGE_CONTENT
from hub.db.types import keyring
from hub.integrations.base import Integration, Outbound
from hub.messaging.compose.content import read_buttons, read_card, read_template
from hub.messaging.compose.media import file_link
from hub.messaging.state.message_batch import MessageRow
from hub.models import Message
from hub.shared.branding import branding_of
from hub.shared.unsubscribe_links import unsubscribe_token


def build_outbound(
    row: MessageRow | Message,
    address: str,
    content: bytes,
    integration: Integration,
    attempt: int,
    *,
    allow_free_text: bool = True,
) -> Outbound | None:
    """Build the outbound message for the integration: free text if it is `allow_free_text`,
    otherwise the approved template, or None if there is none.

    An integration that prefers templates gets both. Raises DecryptionError.
    """
    opened: dict[str, Any] = keyring().open_json(MESSAGE_CONTENT, row.id.partition("_")[2], content)
    is_replaced = integration.prefers_templates or not allow_free_text
    template = read_template(opened) if is_replaced else None
    if not allow_free_text and template is None:
        return None
    media = _files_with_urls(opened) if allow_free_text else []
    public_url: str = current_app.extensions["hub.config"].public_url
    status_url = status_callback_url(
        public_url,
        integration.status_path,
        tuple(integration.api_urls.values()),
    )
    return Outbound(
        id=row.id,
        attempt=attempt,
        to=integration.recipient_form(address),
        address=address,
        text=opened["text"],
        subject=opened.get("subject", ""),
        card=read_card(opened),
        buttons=read_buttons(opened),
        reply_to=opened.get("reply_to", ""),
        media=tuple(url for _, url in media),
        files=tuple(file["file"] for file, _ in media if "file" in file),
        external_media=tuple(url for file, url in media if "url" in file),
        template=template,
        request=row.request_id or "",
        expires_at=row.expires_at,
        status_url=f"{status_url}?message={row.id}&attempt={attempt}" if status_url else "",
        **(_letterhead(row, opened, public_url) if integration.uses_letterhead else {}),
    )


def _files_with_urls(content: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], str]]:
    """Return the files of a message, each with the URL at which it can be fetched."""
    return [
        (file, file.get("url") or file_link(file["file"], file["name"]))
        for file in content.get("media", ())
    ]


def _letterhead(
    row: MessageRow | Message, content: Mapping[str, Any], public_url: str
) -> dict[str, Any]:
    """Return the language, the sender, the branding and the unsubscribe link of a message."""
    return {
        "locale": current_app.extensions["hub.config"].locale,
        **content.get("letterhead", {}),
        "branding": branding_of(row.source_id),
        "unsubscribe_url": f"{public_url}/u/{unsubscribe_token(row.id)}",
    }


@lru_cache(maxsize=256)
def status_callback_url(public_url: str, status_path: str, api_urls: tuple[str, ...]) -> str:
    """Return the status callback URL that is sent with each message.

    Returns "" when the integration declares no `status_path`, and when the public URL is on this
    machine and the provider, at `api_urls`, is not: it could not call back, and would refuse the
    message.
    """
    is_local = is_loopback(urlsplit(public_url).hostname or "")
    if not status_path or (
        is_local and not any(is_loopback(urlsplit(url).hostname or "") for url in api_urls)
    ):
        return ""
    return f"{public_url}/api/rpc/webhooks/{status_path}"
