"""Show and read the form of an endpoint: its own fields, and those of its message broker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import request, url_for

from hub.admin.view.forms import add_error, is_submitted
from hub.admin.webhook_endpoints.endpoint_forms import (
    EndpointForm,
    NewEndpointForm,
    form_values,
    stored_settings,
)
from hub.connections import settings_form
from hub.connections.settings_form import InvalidSettings
from hub.core.errors import Refused
from hub.endpoints.broker_publishing import missing_extra
from hub.endpoints.endpoints import EndpointSettings
from hub.integrations import brokers
from hub.integrations.broker import Broker
from hub.integrations.settings_fields import ConfigForm
from hub.models import WebhookEndpoint
from hub.models.webhook_endpoint import WEBHOOK


@dataclass
class EndpointForms:
    """The forms of one page. `broker_form` is None for a webhook."""

    form: EndpointForm
    broker: type[Broker] | None
    broker_form: ConfigForm | None
    stored: Mapping[str, Any]

    @property
    def missing(self) -> str:
        """A sentence if a package of the broker is not installed, '' otherwise."""
        if self.broker is None or self.broker.is_installed():
            return ""
        return missing_extra(self.broker.name)

    def read(self, endpoint: WebhookEndpoint | None = None) -> EndpointSettings | None:
        """Return the entered settings, or None if a form has errors. Raises Refused."""
        is_valid = self.form.validate()
        if self.broker is None:
            return self.form.read_settings(endpoint) if is_valid else None
        try:
            self.broker_form = settings_form.read_form(self.broker, _posted(), self.stored)
        except InvalidSettings as invalid:
            self.broker_form = invalid.form
            return None
        if not is_valid:
            return None
        return self.form.read_settings(endpoint, settings_form.get_settings(self.broker_form))

    def add_error(self, refusal: Refused) -> None:
        """Add an error to the field that it is about."""
        form = self.broker_form
        add_error(form if form is not None and refusal.field in form else self.form, refusal)


def forms_of_new(kind: str, default_source: str) -> EndpointForms:
    """Return the forms of a new endpoint. Raises NotFound for an unknown kind."""
    form = NewEndpointForm(
        request.form if is_submitted() else None, data={"source": default_source, "events": "*"}
    )
    return _forms(form, kind, {})


def forms_of(endpoint: WebhookEndpoint) -> EndpointForms:
    """Return the forms of an endpoint with its settings. Raises NotFound for an unknown kind."""
    form = EndpointForm(request.form if is_submitted() else None, data=form_values(endpoint))
    return _forms(form, endpoint.kind, stored_settings(endpoint))


def kind_chips(kind: str) -> list[dict[str, Any]]:
    """Return the links to the forms of all kinds of endpoints."""
    kinds = [(WEBHOOK, "Webhook"), *((one.name, one.title) for one in brokers.registry().values())]
    source = request.args.get("source")
    return [
        {
            "title": title,
            "href": url_for(
                "admin.new_webhook_endpoint",
                kind=name if name != WEBHOOK else None,
                source=source,
            ),
            "here": name == kind,
        }
        for name, title in kinds
    ]


def _forms(form: EndpointForm, kind: str, stored: Mapping[str, Any]) -> EndpointForms:
    form.set_kind(kind)
    if kind == WEBHOOK:
        return EndpointForms(form, None, None, stored)
    broker = brokers.get(kind)
    if is_submitted():
        broker_form = settings_form.refilled_form(broker, _posted(), stored)
    else:
        broker_form = settings_form.empty_form(broker, stored)
    return EndpointForms(form, broker, broker_form, stored)


def _posted() -> dict[str, str]:
    return dict(request.form.items())
