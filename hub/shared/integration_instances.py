"""Connections as running integrations: one instance per connection and version of its settings."""

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
    """Makes and keeps instances; shared by all threads of a process."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._instances: dict[str, tuple[int, Integration]] = {}
        self._aside: dict[str, float] = {}
        self._clients: dict[frozenset[str], ProviderHttpClient] = {}
        self._lock = threading.Lock()

    def instance(self, connection: Connection) -> Integration:
        """Return the running integration of a connection.

        Raises Unreadable, NotFound, ConfigError.
        """
        if (kept := self.kept(connection.id, connection.settings_version)) is not None:
            return kept
        made = self.make(
            connection.integration, connection.settings_or_none() or {}, test=connection.test
        )
        self._instances[connection.id] = (connection.settings_version, made)
        return made

    def kept(self, connection_id: str, version: int) -> Integration | None:
        """Return the running integration of these settings, if it was made before."""
        found = self._instances.get(connection_id)
        return found[1] if found is not None and found[0] == version else None

    def set_aside(self, connection_id: str, seconds: float) -> None:
        """Leave a connection alone in this process for a while: its settings do not open here."""
        self._aside[connection_id] = time.monotonic() + seconds

    def is_aside(self, connection_id: str) -> bool:
        """Tell whether a connection is left alone in this process."""
        return self._aside.get(connection_id, 0) > time.monotonic()

    def reader(self, connection: Connection) -> Integration:
        """Return what reads a connection's webhooks: also where calls to its provider are not
        allowed, since reading makes none.
        """
        try:
            return self.instance(connection)
        except ConfigError:
            return integrations.get(connection.integration)(
                connection.settings_or_none() or {}, self._client(frozenset())
            )

    def make(self, name: str, settings: Mapping[str, Any], *, test: bool) -> Integration:
        """Return an instance of an integration for settings that need not be stored."""
        cls = integrations.get(name)
        api, http = self._outside(cls, test)
        return cls(settings, http, api)

    def api_urls(self, cls: type[Integration], *, test: bool) -> tuple[str, ...]:
        """Return the addresses that an integration's calls go to.

        Raises ConfigError for a test connection outside the demo.
        """
        return tuple({**cls.api, **self._outside(cls, test)[0]}.values())

    def http_client(self, allow: frozenset[str]) -> ProviderHttpClient:
        """Return a client for addresses that belong to no provider, such as those of files."""
        return self._client(allow)

    def unassigned_verifier(self, cls: type[WebhookReceiver]) -> WebhookReceiver | None:
        """Return what verifies webhooks of accounts that belong to no connection."""
        return cls.unassigned_verifier(
            {**os.environ, "TWILIO_WEBHOOK_AUTH_TOKEN": self.config.twilio_webhook_auth_token},
            self._client(frozenset()),
        )

    def _outside(
        self, cls: type[Integration], test: bool
    ) -> tuple[dict[str, str], ProviderHttpClient]:
        if test:  # a test connection reaches the simulator and nothing else
            if not self.config.demo:
                raise ConfigError(
                    "Test connections use the simulator, which runs only in a demo. Set"
                    " HUB_DEMO=1, or use a live connection with the provider's test"
                    " credentials."
                )
            return dict.fromkeys(cls.api, self.config.simulator_url), self._client(
                frozenset({str(self.config.simulator_bind)})
            )
        api = {name: self.config.api_urls[name] for name in cls.api if name in self.config.api_urls}
        # an address that the operator wrote into the environment may be reached, by the integration
        # it is meant for; credentials go there in clear only on this machine, or where
        # HUB_HTTP_ALLOW says so
        return api, self._client(
            self.config.http_allow | {host_port(url) for url in api.values() if _safe(url)}
        )

    def _client(self, allow: frozenset[str]) -> ProviderHttpClient:
        with self._lock:
            if allow not in self._clients:
                ca_file = str(self.config.ca_file) if self.config.ca_file else None
                self._clients[allow] = ProviderHttpClient(allow=allow, ca_file=ca_file)
            return self._clients[allow]


def _safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or is_loopback(parts.hostname or "")


def init_app(app: Flask, config: Config) -> None:
    """Give the application its running integrations."""
    app.extensions["hub.integration_instances"] = InstanceCache(config)


def instance(connection: Connection) -> Integration:
    """Return the running integration of a connection. Raises Unreadable, NotFound, ConfigError."""
    return instances().instance(connection)


def instances() -> InstanceCache:
    """Return the application's running integrations."""
    found: InstanceCache = current_app.extensions["hub.integration_instances"]
    return found
