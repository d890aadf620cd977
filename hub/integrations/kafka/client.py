"""Create clients of librdkafka, without secrets in their logs."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from hub.integrations.broker import Network
from hub.integrations.kafka.form import NO_SIGN_IN, TLS, read_servers

DEFAULT_CLIENT_ID = "signpost"
log = logging.getLogger(__name__)


class _WithoutSecrets(logging.Filter):
    """Replaces secret settings in log lines."""

    def __init__(self, secrets: list[str]) -> None:
        super().__init__()
        self.secrets = secrets

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        for secret in self.secrets:
            text = text.replace(secret, "•••")
        record.msg = text
        record.args = ()
        return True


class _ToOurLog(logging.Handler):
    """Passes lines to our own log as details, because each failure is also stored as an attempt."""

    def emit(self, record: logging.LogRecord) -> None:
        log.debug("%s", record.getMessage())


def client_config(
    settings: Mapping[str, Any], network: Network, on_error: Any = None
) -> dict[str, Any]:
    """Return the configuration that all clients of an endpoint share."""
    servers = read_servers(settings["servers"], is_encrypted=True)
    is_encrypted = settings.get("encryption", TLS) == TLS
    signs_in = settings.get("mechanism", NO_SIGN_IN) != NO_SIGN_IN
    config: dict[str, Any] = {
        "bootstrap.servers": ",".join(server.name for server in servers),
        "client.id": settings.get("client_id") or DEFAULT_CLIENT_ID,
        "security.protocol": ("sasl_" if signs_in else "")
        + ("ssl" if is_encrypted else "plaintext"),
        "socket.keepalive.enable": True,
        "reconnect.backoff.ms": 500,  # by default, a rejected password is sent 15 times a second
        "logger": _logger(settings),
    }
    if on_error is not None:
        config["error_cb"] = on_error
    if is_encrypted:
        ca = settings.get("ca")
        config |= {"ssl.ca.pem": ca} if ca else {"ssl.ca.location": os.fspath(network.ca_file)}
    if signs_in:
        config |= {
            "sasl.mechanism": settings["mechanism"],
            "sasl.username": settings["user"],
            "sasl.password": settings["password"],
        }
    return config


def _logger(settings: Mapping[str, Any]) -> logging.Logger:
    """Return its own logger. Without one, librdkafka writes to standard error."""
    logger = logging.Logger("kafka", logging.DEBUG)
    logger.addFilter(_WithoutSecrets([settings["password"]] if settings.get("password") else []))
    logger.addHandler(_ToOurLog())
    return logger
