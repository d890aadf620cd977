"""Microsoft Teams: cards in the channel of a Workflows webhook.

The admin creates a workflow in Teams and pastes its URL, which is the credential. The workflow
confirms only that it was started: if it cannot post the card, Teams notifies only its owner.
Signpost can post to the channel, but it cannot write to people or receive replies.
https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from wtforms import StringField
from wtforms.validators import InputRequired, Optional, Regexp

from hub.integrations.api import (
    Card,
    CheckResult,
    ConfigForm,
    IncomingWebhook,
    Outbound,
    ProviderResponse,
    SecretField,
    SimulatorCredentials,
)
from hub.integrations.teams.card import encoded, envelope
from hub.integrations.teams.errors import ERRORS, code_of, error_details
from hub.integrations.teams.text import cost
from hub.integrations.teams.url import OTHER_HOST, parse_workflow_id, validate_url

ACCEPTED_STATUSES = (200, 202)  # 202 is documented; some workflows return 200


class Teams(IncomingWebhook):
    """Post cards to a Microsoft Teams channel."""

    contract = 2
    name = "teams"
    title = "Microsoft Teams"
    provider = "Microsoft"
    summary = (
        "Cards in a team’s channel, with links that open documents and actions that ask for"
        " confirmation."
    )
    docs_url = (
        "https://support.microsoft.com/office/create-incoming-webhooks-with-workflows"
        "-for-microsoft-teams-8ae491c7-0394-4861-ba59-055e33f75498"
    )
    reach = "One Teams channel"
    cost = "Free"
    setup = "About 5 minutes"
    formatting = "A card with facts"
    icon = "card"
    guide = (
        (
            "In Teams, open the channel’s menu, choose **Workflows**, then **Post to a"
            " channel when a webhook request is received**."
        ),
        (
            "Enter a name, choose team and channel, then **Add workflow**, and copy the"
            " URL. Under **Who can trigger**, keep **Anyone**."
        ),
        (
            "Paste the URL here, save it, and choose **Test connection**. The test posts"
            " a card to the channel, because Teams offers no other test."
        ),
        (
            "The workflow belongs to you. It stops when you leave or turn it off, so add"
            " a colleague as co-owner in Power Automate."
        ),
    )

    event_prefix = "teams"
    errors = ERRORS
    url_setting = "workflow_url"
    max_length = 16_000  # the size limit of a card also includes its JSON
    max_post_length = 4_500  # the buttons of a card take up to 12,000
    length_unit = "bytes"
    per_second = 1
    rate_hint = "A workflow posts a few dozen cards per minute."
    concurrency = 4
    # replaced by the host of each workflow's own URL
    api = {"teams": "https://environment.api.powerplatform.com"}

    class Form(ConfigForm):
        workflow_url = SecretField(
            "Workflow URL",
            [InputRequired("Enter the workflow’s URL."), validate_url],
            description=(
                "Paste the complete URL, from `https://` to the end of `sig=…`. Anyone with the"
                " URL can post, so it is stored encrypted and never shown again."
            ),
            render_kw={"legend": "Workflow"},
        )
        other_host = StringField(
            "Additional host",
            [
                Optional(),
                Regexp(
                    OTHER_HOST,
                    message=(
                        "Enter a host such as flow.example.us, or *.example.us for all"
                        " its subdomains."
                    ),
                ),
            ],
            filters=[lambda text: text.strip().lower() if text else text],
            description=(
                "Enter the host of the URL, or `*.` and its domain. Only government and national"
                " clouds need it, because their workflows have other hosts."
            ),
            render_kw={"legend": "Other clouds", "optional": "optional", "mono": True},
        )

    # read from the settings when they are saved
    @classmethod
    def destination_of(cls, settings: Mapping[str, Any]) -> str:
        return parse_workflow_id(str(settings.get("workflow_url") or ""))

    @classmethod
    def destination_label(cls, destination: str) -> str:
        return "the channel of its workflow"

    @classmethod
    def length_of(cls, text: str) -> int:
        return sum(map(cost, text))

    @classmethod
    def clean_address(cls, address: str) -> str:
        text = address.strip().lower()
        if not re.fullmatch(r"[0-9a-f]{32}", text):
            raise ValueError("A Teams connection posts only to the channel of its workflow.")
        return text

    def render(self, message: Outbound) -> dict[str, Any]:
        return envelope(message)

    @classmethod
    def demo_settings(cls, credentials: SimulatorCredentials) -> dict[str, Any] | None:
        environment = credentials.derive("teams environment")
        region = credentials.derive("teams region", 2)
        host = f"{environment}.{region}.environment.api.powerplatform.com"
        workflow = credentials.derive("teams workflow")
        path = (
            f"/powerautomate/automations/direct/workflows/{workflow}/triggers/manual/paths/invoke"
        )
        signature = credentials.derive("teams sig", 43)
        signed = f"api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={signature}"
        return {"workflow_url": f"https://{host}:443{path}?{signed}", "other_host": ""}

    # a response says that the workflow was started, which may still fail to post the card
    @classmethod
    def accepts(cls, response: ProviderResponse) -> bool:
        return response.status in ACCEPTED_STATUSES and super().accepts(response)

    @classmethod
    def code_of(cls, response: ProviderResponse) -> str:
        return code_of(response)

    @classmethod
    def is_genuine(cls, response: ProviderResponse) -> bool:
        return error_details(response) is not None and response.status != 407

    def post(self, payload: Mapping[str, Any]) -> ProviderResponse:
        """Start the workflow with a payload. Records of the call contain only the host."""
        url = str(self.settings["workflow_url"])
        return self.request(
            "POST",
            self.post_url(url),
            hidden=urlsplit(url).path.lstrip("/"),
            headers={"Content-Type": "application/json"},
            body=encoded(payload),
        )

    def post_url(self, url: str) -> str:
        parts = urlsplit(url)
        base = self.api_urls["teams"]
        if base == self.api["teams"]:
            base = f"https://{parts.hostname}"
        return f"{base}{parts.path}?{parts.query}"

    # testing
    def check(self) -> CheckResult:
        self.post(envelope(TEST))
        text = (
            "Check the channel for the test card. If the card is missing, the workflow"
            " failed afterwards, and Teams notifies only its owner."
        )
        return CheckResult(True, "The workflow accepted a test card.", text)


TEST = Outbound(
    id="",
    attempt=1,
    to="",
    text="Signpost posts updates about your documents in this channel.",
    card=Card("Signpost can post to this channel", notes=("A test of the connection.",)),
)
