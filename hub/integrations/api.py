"""The names that an integration imports. They change only with the number of the contract.

README.md in this folder explains each of them.
"""

from __future__ import annotations

from hub.core.bind_address import is_loopback
from hub.core.data_dir import SimulatorCredentials
from hub.core.errors import (
    BadWebhook,
    ConnectionBroken,
    DestinationUnavailable,
    OutcomeUnknown,
    PermanentError,
    RecipientMoved,
    RecipientRefused,
    Scope,
    SendError,
    SlowDown,
    TemplateRequired,
    TransientError,
    Unreachable,
)
from hub.core.quotes import quoted
from hub.core.vocabulary import Address, Channel, ContentKind, EventType, Feedback, Status
from hub.integrations import emails, inbound_contents
from hub.integrations.base import Integration, action
from hub.integrations.branding import Branding
from hub.integrations.call_events import CallInProgress, CallOptOut, CallReport
from hub.integrations.calls import call, describe_last, http_errors
from hub.integrations.click_answers import click_answer
from hub.integrations.error_codes_file import read_error_codes
from hub.integrations.error_table import ErrorCode, ErrorTable
from hub.integrations.escaping import MARKDOWN_MARKS, Escaper, escape_html, escape_markdown
from hub.integrations.gateway import gateway_error
from hub.integrations.incoming_webhook import IncomingWebhook
from hub.integrations.json_fields import json_field, json_objects, json_part
from hub.integrations.json_web_tokens import make_jwt, verify_jwt
from hub.integrations.message_texts import buttons_of
from hub.integrations.part_results import PartResults
from hub.integrations.provider_requests import (
    basic,
    bearer,
    is_html,
    without_blanks,
)
from hub.integrations.senders_by_country import SendersByCountry
from hub.integrations.settings_fields import (
    ChannelField,
    ConfigForm,
    PrivateKeyField,
    SecretField,
    SenderField,
    ServerField,
    TextField,
    TokenField,
    WebhookUrlField,
    optional_secret,
    required_secret,
)
from hub.integrations.shortening import (
    ELLIPSIS,
    LONGEST_BUTTON,
    CardText,
    button_label,
    card_text,
    clean_text,
    fit_card_text,
    plain_text,
    share_budget,
    shorten,
)
from hub.integrations.source_integration import RegionField, SourceIntegration
from hub.integrations.team_posts import TeamPosts
from hub.integrations.values import (
    Accepted,
    AttachedFile,
    Attachment,
    Button,
    ButtonPress,
    Card,
    ChatLinked,
    ChatPermission,
    CheckResult,
    Content,
    FilledTemplate,
    Inbound,
    Outbound,
    Price,
    Problem,
    Senders,
    SourceEvent,
    SourcePerson,
    StatusUpdate,
    TemplateInfo,
    Unrecognized,
    WebhookEvent,
    WebhookRequest,
    read_reference,
)
from hub.integrations.webhook_receiver import WebhookReceiver, webhook
from hub.integrations.webhook_signatures import join_fields, verify_hmac, verify_secret
from hub.lib import phones, times
from hub.lib.number_forms import to_other
from hub.lib.provider_http import (
    AddressNotAllowed,
    ConnectFailed,
    Exchange,
    ProviderHttpClient,
    ProviderResponse,
    ResponseLost,
    record_exchanges,
)
from hub.lib.storable import json_object
from hub.lib.text import is_blank, is_gsm_text, one_line, readable, segments, utf16_length

__all__ = [
    "Accepted",
    "Address",
    "AddressNotAllowed",
    "AttachedFile",
    "Attachment",
    "BadWebhook",
    "Branding",
    "Button",
    "ButtonPress",
    "buttons_of",
    "Card",
    "CallInProgress",
    "CallOptOut",
    "CallReport",
    "CardText",
    "Channel",
    "ChannelField",
    "ChatLinked",
    "ChatPermission",
    "CheckResult",
    "ConfigForm",
    "ConnectFailed",
    "ConnectionBroken",
    "Content",
    "ContentKind",
    "DestinationUnavailable",
    "ELLIPSIS",
    "ErrorCode",
    "ErrorTable",
    "EventType",
    "Feedback",
    "Escaper",
    "Exchange",
    "FilledTemplate",
    "Inbound",
    "IncomingWebhook",
    "Integration",
    "LONGEST_BUTTON",
    "make_jwt",
    "MARKDOWN_MARKS",
    "Outbound",
    "OutcomeUnknown",
    "PartResults",
    "PermanentError",
    "Price",
    "PrivateKeyField",
    "Problem",
    "ProviderHttpClient",
    "ProviderResponse",
    "RecipientMoved",
    "RecipientRefused",
    "RegionField",
    "ResponseLost",
    "Scope",
    "SecretField",
    "SendError",
    "SenderField",
    "Senders",
    "SendersByCountry",
    "ServerField",
    "SimulatorCredentials",
    "SlowDown",
    "SourceEvent",
    "SourceIntegration",
    "SourcePerson",
    "Status",
    "StatusUpdate",
    "TeamPosts",
    "TemplateInfo",
    "TemplateRequired",
    "TextField",
    "TokenField",
    "TransientError",
    "Unreachable",
    "Unrecognized",
    "verify_jwt",
    "WebhookEvent",
    "WebhookReceiver",
    "WebhookRequest",
    "WebhookUrlField",
    "action",
    "basic",
    "bearer",
    "button_label",
    "call",
    "card_text",
    "clean_text",
    "click_answer",
    "describe_last",
    "emails",
    "escape_html",
    "escape_markdown",
    "fit_card_text",
    "gateway_error",
    "http_errors",
    "inbound_contents",
    "is_blank",
    "is_gsm_text",
    "is_html",
    "is_loopback",
    "join_fields",
    "json_object",
    "json_field",
    "json_objects",
    "json_part",
    "one_line",
    "optional_secret",
    "phones",
    "plain_text",
    "read_error_codes",
    "read_reference",
    "readable",
    "record_exchanges",
    "required_secret",
    "segments",
    "share_budget",
    "shorten",
    "times",
    "to_other",
    "quoted",
    "utf16_length",
    "verify_hmac",
    "verify_secret",
    "webhook",
    "without_blanks",
]
