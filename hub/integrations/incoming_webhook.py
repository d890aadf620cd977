"""The part of the contract for incoming webhooks of team products, whose URL is the credential."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from hub.integrations.settings_fields import server_of
from hub.integrations.team_posts import TEST_TEXT, TeamPosts
from hub.integrations.values import Accepted, CheckResult, Outbound, Senders
from hub.lib.provider_http import ProviderResponse

OWN_CHANNEL = "This connection posts to its own channel only."
_DESTINATION = r"[a-z0-9.:\[\]-]+/(?:([^/\s]{1,64})-)?[0-9a-f]{12}"


class IncomingWebhook(TeamPosts):
    """An integration that posts to the URL of an incoming webhook.

    Its form has a `WebhookUrlField`. Override `payload`, and `accepts`, `code_of` and `accepted`
    where the provider's responses differ.
    """

    url_setting: ClassVar[str] = "webhook_url"
    # a setting that names another channel than the webhook's own
    channel_setting: ClassVar[str] = ""
    # settings that `payload` contains under their own names, unless they are blank
    payload_settings: ClassVar[tuple[str, ...]] = ()
    # True: the server limits the rate of all its webhooks together
    limit_per_server: ClassVar[bool] = False

    # read from the settings when they are saved
    @classmethod
    def destination_of(cls, settings: Mapping[str, Any]) -> str:
        """Return the server, the channel if one is named, and a digest of the secret URL."""
        url = str(settings.get(cls.url_setting) or "")
        channel = str(settings.get(cls.channel_setting) or "").lower()
        digest = hashlib.sha256(f"{url} {channel}".encode()).hexdigest()[:12]
        return f"{server_of(url)}/{channel and f'{channel}-'}{digest}" if url else ""

    @classmethod
    def senders_of(cls, settings: Mapping[str, Any]) -> Senders:
        destination = cls.destination_of(settings)
        return Senders(destination.partition("/")[0] if cls.limit_per_server else destination)

    @classmethod
    def clean_address(cls, address: str) -> str:
        destination = address.strip().lower()
        if not re.fullmatch(_DESTINATION, destination):
            raise ValueError(OWN_CHANNEL)
        return destination

    @classmethod
    def destination_label(cls, destination: str) -> str:
        match = re.fullmatch(_DESTINATION, destination)
        channel = match[1] if match and match[1] else "a channel"
        return f"{channel} at {destination.partition('/')[0]}"

    # sending
    def send(self, message: Outbound) -> Accepted:
        if message.to != self.destination_of(self.settings):
            raise self.errors.error("other_channel")
        return self.accepted(self.post(self.render(message)))

    def render(self, message: Outbound) -> dict[str, Any]:
        return self.payload(self.text_of(message))

    def payload(self, text: str) -> dict[str, Any]:
        """Return the payload for text that is already escaped."""
        return {"text": text, **self.filled_settings(*self.payload_settings)}

    def accepted(self, response: ProviderResponse) -> Accepted:
        """Return the result of an accepted post. Incoming webhooks return no ID."""
        return Accepted("", self.accepted_status)

    def post(self, payload: Mapping[str, Any]) -> ProviderResponse:
        """Post a payload to the URL. Raises a SendError. The path of the URL is not recorded."""
        url = str(self.settings[self.url_setting])
        hidden = urlsplit(url).path.lstrip("/")
        return self.request("POST", self.post_url(url), content=payload, hidden=hidden)

    def own_urls(self) -> list[str]:
        url = self.setting(self.url_setting)
        return [*super().own_urls(), *([self.post_url(url)] if url else [])]

    def post_url(self, url: str) -> str:
        """Return the URL to call, which differs if an address of `api` is replaced."""
        for name, official in self.api.items():
            if url.startswith(f"{official}/"):
                return self.api_urls[name] + url.removeprefix(official)
        return url

    def check(self) -> CheckResult:
        self.post(self.payload(self.escape(TEST_TEXT)))
        return CheckResult(
            True, f"{self.provider} accepted a test message.", "Look for it in the channel."
        )
