"""Running integrations: one instance per connection and version of its settings."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, current_app

from hub import integrations
from hub.core.bind_address import is_loopback
from hub.core.config import Config
from hub.core.errors import ConfigError
from hub.integrations.base import Integration
from hub.integrations.webhook_receiver import WebhookReceiver
from hub.lib.provider_http import ProviderHttpClient, host_port
from hub.models import Connection


class InstanceCache:
    """Creates and caches instances. All threads of a process share it."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._instances: dict[str, tuple[int, Integration]] = {}
        self._suspended_until: dict[str, float] = {}
        self._clients: dict[frozenset[str], ProviderHttpClient] = {}
        self._lock = threading.Lock()

    def instance(self, connection: Connection) -> Integration:
        """Return the running integration of a connection.

        Raises DecryptionError, NotFound or ConfigError.
        """
        if (cached_instance := self.cached(connection.id, connection.settings_version)) is not None:
            return cached_instance
        new_instance = self.create(
            connection.integration, connection.settings_or_none() or {}, test=connection.test
        )
        self._instances[connection.id] = (connection.settings_version, new_instance)
        return new_instance

    def cached(self, connection_id: str, version: int) -> Integration | None:
        """Return the running integration for a version of the settings, if it exists."""
        entry = self._instances.get(connection_id)
        return entry[1] if entry is not None and entry[0] == version else None

    def suspend(self, connection_id: str, seconds: float) -> None:
        """Ignore a connection in this process for some seconds, because its settings cannot be
        decrypted.
        """
        self._suspended_until[connection_id] = time.monotonic() + seconds

    def is_suspended(self, connection_id: str) -> bool:
        """Return whether this process ignores a connection."""
        return self._suspended_until.get(connection_id, 0) > time.monotonic()

    def webhook_reader(self, connection: Connection) -> Integration:
        """Return an integration that reads a connection's webhooks.

        It works even if calls to the provider are not allowed, because reading makes none.
        """
        try:
            return self.instance(connection)
        except ConfigError:
            return integrations.get(connection.integration)(
                connection.settings_or_none() or {}, self._client(frozenset())
            )

    def create(self, name: str, settings: Mapping[str, Any], *, test: bool) -> Integration:
        """Return an instance of an integration for settings that does not have to be stored."""
        integration_class = integrations.get(name)
        api, http = self._api_and_client(integration_class, test)
        return integration_class(settings, http, api)

    def api_urls(self, integration_class: type[Integration], *, test: bool) -> tuple[str, ...]:
        """Return the addresses that an integration calls.

        Raises ConfigError for a test connection outside the demo.
        """
        return tuple(
            {**integration_class.api, **self._api_and_client(integration_class, test)[0]}.values()
        )

    def http_client(self, allow: frozenset[str]) -> ProviderHttpClient:
        """Return a client for addresses of no provider, such as those of files."""
        return self._client(allow)

    def unassigned_verifier(
        self, integration_class: type[WebhookReceiver]
    ) -> WebhookReceiver | None:
        """Return a verifier for webhooks of accounts without a connection."""
        return integration_class.unassigned_verifier(
            {**os.environ, "TWILIO_WEBHOOK_AUTH_TOKEN": self.config.twilio_webhook_auth_token},
            self._client(frozenset()),
        )

    def _api_and_client(
        self, integration_class: type[Integration], test: bool
    ) -> tuple[dict[str, str], ProviderHttpClient]:
        if test:  # a test connection can only reach the simulator
            if not self.config.demo:
                raise ConfigError(
                    "Test connections use the simulator, which runs only in a demo. Set"
                    " HUB_DEMO=1, or use a live connection with the provider's test"
                    " credentials."
                )
            return {
                name: self.config.simulated_url(urlsplit(url).scheme)
                for name, url in integration_class.api.items()
            }, self._client(
                frozenset({str(self.config.simulator_bind), str(self.config.simulator_mail_bind)})
            )
        api = {
            name: self.config.api_urls[name]
            for name in integration_class.api
            if name in self.config.api_urls
        }
        # An address in the environment is allowed for its integration. Without encryption it is
        # allowed only on this machine or with HUB_HTTP_ALLOW, because requests hold credentials.
        return api, self._client(
            self.config.http_allow | {host_port(url) for url in api.values() if _is_safe(url)}
        )

    def _client(self, allow: frozenset[str]) -> ProviderHttpClient:
        with self._lock:
            if allow not in self._clients:
                ca_file = str(self.config.ca_file) if self.config.ca_file else None
                self._clients[allow] = ProviderHttpClient(allow=allow, ca_file=ca_file)
            return self._clients[allow]


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or is_loopback(parts.hostname or "")


def init_app(app: Flask, config: Config) -> None:
    """Create the application's instance cache."""
    app.extensions["hub.integration_instances"] = InstanceCache(config)


def instance(connection: Connection) -> Integration:
    """Return the running integration of a connection.

    Raises DecryptionError, NotFound or ConfigError.
    """
    return instances().instance(connection)


def instances() -> InstanceCache:
    """Return the application's instance cache."""
    cache: InstanceCache = current_app.extensions["hub.integration_instances"]
    return cache
