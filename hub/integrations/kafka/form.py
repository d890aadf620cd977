"""The settings of an endpoint at Kafka."""

from __future__ import annotations

import re
import ssl
from typing import Any

from wtforms import SelectField, TextAreaField
from wtforms.validators import Length, Optional, ValidationError

from hub.integrations.api import ConfigForm, SecretField, TextField
from hub.integrations.broker import Server

TLS = "tls"
UNENCRYPTED = "none"
NO_SIGN_IN = "none"
MAX_SERVERS = 20
_SERVER = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?):([0-9]{1,5})")


def read_servers(text: str, *, is_encrypted: bool) -> list[Server]:
    """Return the servers of a list such as `kafka-1.example.com:9093, kafka-2.example.com:9093`.

    Raises ValueError with a sentence.
    """
    servers = []
    for entry in filter(None, re.split(r"[\s,]+", text.strip().lower())):
        match = _SERVER.fullmatch(entry)
        if match is None or not 1 <= int(match[3]) <= 65535:
            raise ValueError(
                "Enter servers with their ports, separated by commas, such as"
                " kafka-1.example.com:9093, kafka-2.example.com:9093."
            )
        servers.append(Server(match[1].strip("[]"), int(match[3]), is_encrypted))
    if not servers or len(servers) > MAX_SERVERS:
        raise ValueError(f"Enter 1 to {MAX_SERVERS} servers.")
    return servers


def _check_servers(form: Any, field: Any) -> None:
    del form
    try:
        read_servers(field.data or "", is_encrypted=True)
    except ValueError as error:
        raise ValidationError(str(error)) from None


def _check_certificate(form: Any, field: Any) -> None:
    del form
    try:
        ssl.create_default_context(cadata=field.data)
    except (ssl.SSLError, ValueError):
        raise ValidationError(
            "Paste the certificate as PEM text. It begins with -----BEGIN CERTIFICATE-----."
        ) from None


class KafkaForm(ConfigForm):
    """The servers and the topic, the encryption and the sign-in."""

    servers = TextField(
        "Bootstrap servers",
        required="Enter at least one server.",
        longest=2000,
        validators=[_check_servers],
        description=(
            "Enter one or more servers of the cluster with their ports, separated by commas, such"
            " as `kafka-1.example.com:9093`. Signpost gets the other servers from the cluster."
        ),
        render_kw={"legend": "Cluster", "mono": True, "autocomplete": "off"},
    )
    topic = TextField(
        "Topic",
        required="Enter the topic.",
        pattern=r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,249}",
        rule="A topic has up to 249 letters, digits, dots, hyphens and underscores.",
        longest=249,
        description="Enter the topic that receives the events, such as `signpost-events`.",
        render_kw={"mono": True, "autocomplete": "off"},
    )
    client_id = TextField(
        "Client ID",
        pattern=r"[A-Za-z0-9._-]{1,100}",
        rule="A client ID has up to 100 letters, digits, dots, hyphens and underscores.",
        description="The name in the logs and quotas of the cluster. Default: `signpost`.",
        render_kw={"mono": True, "autocomplete": "off", "optional": True},
    )
    encryption = SelectField(
        "Encryption",
        choices={TLS: "TLS", UNENCRYPTED: "None (only for servers in HUB_HTTP_ALLOW)"},
        default=TLS,
        description="With TLS, the certificates of the servers are always checked.",
        render_kw={"legend": "Encryption"},
    )
    ca = TextAreaField(
        "CA certificate",
        [
            Optional(),
            Length(max=100_000, message="Enter at most 100,000 characters."),
            _check_certificate,
        ],
        description=(
            "Paste the PEM text of your own certificate authority. Leave it blank if a public"
            " authority signed the certificates."
        ),
        render_kw={"mono": True, "rows": 3, "autocomplete": "off", "optional": True},
    )
    mechanism = SelectField(
        "SASL mechanism",
        choices={
            NO_SIGN_IN: "No sign-in",
            "PLAIN": "PLAIN",
            "SCRAM-SHA-256": "SCRAM-SHA-256",
            "SCRAM-SHA-512": "SCRAM-SHA-512",
        },
        default=NO_SIGN_IN,
        description="Services such as Confluent Cloud use PLAIN with an API key and its secret.",
        render_kw={"legend": "Sign-in"},
    )
    user = TextField(
        "User",
        longest=500,
        description="The user, or the API key.",
        render_kw={"half": True, "autocomplete": "off", "optional": True},
    )
    password = SecretField(
        "Password",
        [Optional(), Length(max=2000, message="Enter at most 2,000 characters.")],
        bound_to=("servers", "user"),
        description="Stored encrypted and never shown again.",
        render_kw={"half": True, "optional": True},
    )

    def validate(self, extra_validators: Any = None) -> bool:
        """Also require a user and a password for a sign-in."""
        if not super().validate(extra_validators):
            return False
        if self.mechanism.data == NO_SIGN_IN:
            return True
        if not self.user.data:
            return self.add_error("user", "Enter the user, or choose No sign-in.")
        return bool(self.password.data) or self.add_error("password", "Enter the password.")
