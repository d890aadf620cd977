"""Apprise: posts in a team's channel or app, through one of many services.

The admin enters one Apprise URL, which contains the credentials. Signpost makes the request itself,
so the rules for outgoing addresses hold for every service. Nothing is reported back: a message
stays sent. https://appriseit.com
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from wtforms.validators import InputRequired, ValidationError

from hub.integrations.api import (
    CheckResult,
    ConfigForm,
    IncomingWebhook,
    Outbound,
    ProviderResponse,
    SecretField,
    SendError,
    SimulatorCredentials,
    TextField,
    call,
    plain_text,
    record_exchanges,
)
from hub.integrations.apprise.errors import error_table
from hub.integrations.apprise.services import WORST_ESCAPING, Service, server_of, service_of

TEST_TEXT = "This is a test message from Signpost."


def _check_url(form: Any, field: Any) -> None:
    from hub.integrations.apprise import delivery  # here, because it loads the large library

    try:
        delivery.check_url(service_of(field.data), field.data, form.own_server.data or "")
    except ValueError as error:
        raise ValidationError(str(error)) from None


class Apprise(IncomingWebhook):
    """Post through a service that Apprise supports."""

    contract = 2
    name = "apprise"
    title = "Apprise"
    summary = "Posts in a team’s channel or app, through Discord, Google Chat, ntfy and others."
    docs_url = "https://appriseit.com/services/"
    reach = "One channel, group or device"
    cost = "Free, or depends on the service"
    setup = "About 5 minutes"
    guide = (
        "Choose a service from the list in Signpost’s documentation, under **Apprise**.",
        "Create a webhook or a token at the service, as its page at Apprise explains.",
        "Enter the Apprise URL here, **Save**, and choose **Test connection**, which posts a test"
        " message.",
    )

    errors = error_table("The service")
    url_setting = "url"
    escape = WORST_ESCAPING
    max_length = 1000  # every service accepts it
    per_second = 1
    rate_hint = "Most services accept one message a second."
    concurrency = 8
    starts_in_demo = False  # other integrations already show posts there
    # stands for all services: only its replacement is called
    api = {"apprise": "https://appriseit.com"}

    class Form(ConfigForm):
        url = SecretField(
            "Apprise URL",
            [InputRequired("Enter the Apprise URL."), _check_url],
            description=(
                "One URL, such as `discord://webhook-id/token`, of a service in the list. It is"
                " stored encrypted and never shown again."
            ),
            render_kw={"legend": "Service"},
        )
        own_server = TextField(
            "Own server",
            pattern=r"[a-z0-9.-]+(:[0-9]{1,5})?",
            rule="Enter the host in lower case, such as ntfy.example.com, with its port if the URL"
            " has one.",
            description=(
                "Only for a service on a server of yours: its host in the URL, such as"
                " `gotify.example.com`. A server with a private address, or without https, has to"
                " be listed in `HUB_HTTP_ALLOW` as well."
            ),
            render_kw={"mono": True},
        )

    # read from the settings when they are saved
    @classmethod
    def destination_of(cls, settings: Mapping[str, Any]) -> str:
        """Return the scheme and a digest of the URL, any part of which may be secret."""
        url = str(settings.get("url") or "")
        digest = hashlib.sha256(url.encode()).hexdigest()[:12]
        return f"{url.partition(':')[0].lower()}/{digest}" if url else ""

    @classmethod
    def destination_label(cls, destination: str) -> str:
        try:
            return f"one receiver at {service_of(destination.replace('/', '://')).title}"
        except ValueError:
            return destination

    @classmethod
    def demo_settings(cls, credentials: SimulatorCredentials) -> dict[str, Any] | None:
        webhook = credentials.derive("apprise webhook", 18)
        token = credentials.derive("apprise token", 40)
        return {"url": f"discord://{webhook}/{token}", "own_server": ""}

    # sending
    def render(self, message: Outbound) -> dict[str, Any]:
        try:
            escape = service_of(self.setting("url")).escape
        except ValueError:  # of an earlier version; `post` refuses it
            escape = self.escape
        return self.payload(plain_text(message, self.max_length, escape=escape))

    def post(self, payload: Mapping[str, Any]) -> ProviderResponse:
        """Send a text in one request. Its records contain only the host."""
        from hub.integrations.apprise import delivery  # here, because it loads the large library

        service = self._service()
        own_server = self.setting("own_server")
        url = self.setting("url")
        try:
            response = delivery.notify(
                service, url, payload["text"], own_server, self._make_request
            )
        except ValueError:
            raise self.errors.error("not_supported") from None
        if response is None:
            raise error_table(service.title).error("refused")
        if not self.accepts(response):
            is_genuine = not response.body.lstrip().startswith(b"<")
            raise error_table(service.title).error_for(response, genuine=is_genuine)
        return response

    @classmethod
    def accepts(cls, response: ProviderResponse) -> bool:
        # services declare plain text as HTML, so only the text counts
        return 200 <= response.status < 300 and not response.body.lstrip().startswith(b"<")

    def check(self) -> CheckResult:
        service = self._service()
        with record_exchanges() as exchanges:
            try:
                self.post({"text": service.escape(TEST_TEXT)})
            except SendError as error:
                return error_table(service.title).failed_check(error, exchanges)
        return CheckResult(
            True, f"{service.title} accepted a test message.", "Look for it in the channel."
        )

    def _service(self) -> Service:
        try:
            return service_of(self.setting("url"))
        except ValueError:
            raise self.errors.error("not_supported") from None

    def _make_request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> ProviderResponse:
        parts = urlsplit(url)
        replacement = self.api_urls["apprise"]
        if replacement != self.api["apprise"]:
            base = f"{replacement}/apprise/{server_of(url)}"
            url = parts._replace(scheme="", netloc="").geturl()
            url = f"{base}{url}"
        return call(
            self.http,
            self._service().title,
            method,
            url,
            headers=headers,
            body=body,
            hidden=parts.path.lstrip("/"),
        )
