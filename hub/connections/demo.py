"""Prepare the demo: test connections to the simulator, a test key and a sample request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from flask import current_app
from sqlalchemy import select

from hub import integrations
from hub.accounts import api_keys, sources
from hub.connections import connection_tests, connections, settings_form
from hub.connections.connection_tests import lock_connection, set_state
from hub.core import data_dir
from hub.core.config import Config
from hub.core.data_dir import SimulatorCredentials
from hub.core.vocabulary import Channel, ConnectionState, EventType
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.endpoints import endpoints
from hub.endpoints.endpoints import EndpointSettings
from hub.integrations.base import CheckResult, Integration
from hub.messaging.compose import provider_templates, template_sync
from hub.messaging.compose.provider_templates import APPROVED
from hub.messaging.policy.rules import OTHERS, Rules
from hub.models import Connection, ProviderTemplate, SigningRequest, Source, WebhookEndpoint
from hub.shared import audit, integration_instances
from hub.signing import team_subscriptions

TITLES = {
    Channel.SMS: "Demo SMS",
    Channel.WHATSAPP: "Demo WhatsApp",
    Channel.VOICE: "Demo calls",
}
# sample prices in US dollars, so that previews and texts show what a message costs
SAMPLE_PRICES: dict[Channel, dict[str, Decimal]] = {
    Channel.SMS: {"US": Decimal("0.0079"), OTHERS: Decimal("0.05")},  # of a segment
    Channel.VOICE: {"US": Decimal("0.014"), OTHERS: Decimal("0.10")},  # of a minute
}
# name of a template → variables for {{1}}, {{2}} … of the simulator's template
TEMPLATE_VARIABLES = {
    "request_sent": ("signer", "sender", "title", "link_path"),
    "request_signed_others": ("name", "title"),
    "request_signed_actor": ("signer", "title"),
    "request_completed": ("signer", "title"),
    "request_reminder": ("signer", "title"),
}
KEY_FILE = "demo-key"
SAMPLE_ID = "agr-1001"


def prepare() -> None:
    """Create the demo's phone connections and its key, if they are missing."""
    config: Config = current_app.extensions["hub.config"]
    credentials = data_dir.simulator_credentials(config.data_dir)
    for channel, title in TITLES.items():
        for integration_class, settings in _simulated_integrations(credentials):
            if integration_class.channel is channel:
                _create_connection(integration_class, title, settings)
                break
    _create_key(config)


def connect_chats_and_mail() -> None:
    """Create the demo's connections to chats, a team and the mail server, if they are missing."""
    credentials = data_dir.simulator_credentials(current_app.extensions["hub.config"].data_dir)
    for integration_class, settings in _simulated_integrations(credentials):
        is_shown = integration_class.channel in (Channel.CHAT, Channel.EMAIL)
        if is_shown and integration_class.starts_in_demo:
            _create_connection(integration_class, f"Demo {integration_class.title}", settings)


def add_endpoint() -> None:
    """Create the demo's webhook endpoint, which the simulator receives for, if it is missing."""
    config: Config = current_app.extensions["hub.config"]
    source_id = sources.get_source(sources.DEFAULT).id
    if db.session.scalar(select(WebhookEndpoint.id).where(WebhookEndpoint.test).limit(1)) is None:
        endpoints.create(
            source_id,
            EndpointSettings(
                url=f"{config.simulator_url}/receiver/ok",
                events=["*"],
                description="Simulated signing app",
            ),
            test=True,
            secret=data_dir.simulator_credentials(config.data_dir).webhook_secret,
        )


def subscribe() -> None:
    """Subscribe to the simulator's webhooks where a provider requires it. Raises SendError."""
    base = current_app.extensions["hub.config"].public_url + "/api/rpc/webhooks/"
    query = select(Connection).where(
        Connection.test, Connection.archived_at.is_(None), Connection.channel == Channel.CHAT
    )
    for connection in db.session.scalars(query.order_by(Connection.id)).all():
        integration_class = integrations.get(connection.integration)
        if integration_class.supports("subscribe"):
            integration_instances.instance(connection).subscribe(
                base
                + next(iter(integration_class.webhooks)).replace("{connection}", connection.slug)
            )


def simulator_settings(integration_class: type[Integration]) -> dict[str, Any] | None:
    """Return the settings of a connection to the simulator.

    It is None if the simulator does not run, or does not simulate this provider.
    """
    config: Config = current_app.extensions["hub.config"]
    if not config.demo or not integration_class.api:
        return None
    return integration_class.demo_settings(data_dir.simulator_credentials(config.data_dir))


def _simulated_integrations(
    credentials: SimulatorCredentials,
) -> Iterator[tuple[type[Integration], dict[str, Any]]]:
    for integration_class in integrations.registry().values():
        if (
            integration_class.api
            and (settings := integration_class.demo_settings(credentials)) is not None
        ):
            yield integration_class, settings


@transaction
def _create_connection(
    integration_class: type[Integration], title: str, settings: dict[str, Any]
) -> None:
    account = integration_class.account_of(settings)
    query = select(Connection.id).where(
        Connection.integration == integration_class.name,
        Connection.account == account,
        Connection.test,
    )
    if db.session.scalar(query) is not None:
        return  # an admin may have changed it
    connection = lock_connection(connections.create(integration_class.name, title, test=True))
    connection.settings = settings_form.get_settings(
        settings_form.read_form(integration_class, settings, {})
    )
    connection.settings_version = 1
    connection.account = account
    connection.sender = integration_class.senders_of(settings).default
    connection.destination = integration_class.destination_of(settings)
    team_subscriptions.subscribe_new(connection)
    # no consent is required from simulated people
    prices = SAMPLE_PRICES.get(integration_class.channel, {})
    connection.rules = Rules(prices=prices).to_json()
    # no test, because the simulator uses the same credentials and may start later
    connection.checked_version = 1
    connection.checked_at = now()
    connection.checked_ok = True
    connection.check = connection_tests.serialize_result(
        CheckResult(True, "The simulator is ready."), None
    )
    set_state(connection, ConnectionState.ENABLED)
    audit.record("connection.enabled", connection.id, connection.title)


def _create_key(config: Config) -> None:
    path = config.data_dir / KEY_FILE
    if not path.exists() or api_keys.find_key(path.read_text().strip()) is None:
        data_dir.write_private(path, api_keys.create_key("Demo", test=True) + "\n")


def learn_templates() -> None:
    """Fetch the simulator's templates and map each approved one by its name. Raises SendError."""
    query = select(Connection).where(
        Connection.test,
        Connection.title == TITLES[Channel.WHATSAPP],
        Connection.archived_at.is_(None),
    )
    connection = db.session.scalar(query)
    if connection is None:
        return
    connection_id = connection.id
    template_sync.sync_templates(connection_id)
    approved = select(ProviderTemplate).where(
        ProviderTemplate.connection_id == connection_id, ProviderTemplate.state == APPROVED
    )
    for template in db.session.scalars(approved).all():
        for name, variable_names in TEMPLATE_VARIABLES.items():
            if template.name.startswith(name):
                variables = dict(zip(json.loads(template.variables), variable_names, strict=False))
                provider_templates.save_mapping(
                    connection_id, name, template.locale, template.id, variables
                )


def sample_event() -> dict[str, Any]:
    """Return the event that starts the sample request, as a signing app posts it."""
    return {
        "type": EventType.SENT.value,
        "id": "evt-771",
        "occurred_at": now().isoformat(timespec="seconds").replace("+00:00", "Z"),
        "request": {
            "id": SAMPLE_ID,
            "title": "Employment Agreement",
            "sender": {"name": "Acme HR", "email": "hr@acme.example"},
            "expires_at": (
                (now() + timedelta(days=30)).isoformat(timespec="seconds").replace("+00:00", "Z")
            ),
        },
        "signers": [
            {
                "id": "eric",
                "name": "Eric Smith",
                "email": "eric@example.com",
                "mobile_number": "+13175551234",
                "locale": "en",
                "time_zone": "America/Indiana/Indianapolis",
                "order": 1,
                "signing_url": f"https://sign.example/r/{SAMPLE_ID}/eric",
                "send_to": {"mobile_number": True, "email": True},
                "preference": ["whatsapp", "sms"],
            }
        ],
    }


def has_sample_request() -> bool:
    """Return whether the sample request exists."""
    query = select(SigningRequest.id).join(Source, Source.id == SigningRequest.source_id)
    query = query.where(
        Source.slug == "default", SigningRequest.external_id == SAMPLE_ID, SigningRequest.test
    )
    return db.session.scalar(query) is not None
