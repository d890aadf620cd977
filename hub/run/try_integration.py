"""Test an integration without a connection: its form, its connection test and one message."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hub import integrations
from hub.connections import settings_form
from hub.core.config import Config
from hub.core.errors import Refused, SendError
from hub.db.types import new_id
from hub.integrations.base import Accepted, CheckResult, Integration, Outbound
from hub.shared.integration_instances import InstanceCache

TEXT = "This is a test message from Signpost."
HIDDEN = "•••"
Show = Callable[[str], None]


@dataclass(frozen=True)
class Trial:
    """The settings of an integration to try, and a message.

    A blank `to` is the destination in the settings. With `sends` False, only the connection is
    tested, and with `checks` False only the message is sent.
    """

    settings: Mapping[str, Any]
    to: str = ""
    text: str = TEXT
    sends: bool = True
    checks: bool = True


def try_integration(config: Config, name: str, trial: Trial, show: Show) -> bool:
    """Run a trial against the provider, show each step, and return whether all succeeded.

    Secrets are hidden in everything that is shown. Raises NotFound for an unknown integration, and
    Refused for an unknown setting, or a message without a recipient.
    """
    cls = integrations.get(name)
    try:
        form = settings_form.read_form(cls, _with_defaults(cls, trial.settings), {})
    except settings_form.InvalidSettings as problem:
        show(_describe_invalid(problem))
        return False
    settings = settings_form.get_settings(form)
    secrets = [str(settings[field]) for field in settings_form.secret_field_names(cls)]

    def show_safely(text: str) -> None:
        for secret in filter(None, secrets):
            text = text.replace(secret, HIDDEN)
        show(text)

    show_safely("Settings: valid.")
    connection = InstanceCache(config).create(name, settings, test=False)
    if trial.checks:
        result = connection.run_check()
        show_safely(_describe_check(result))
        if not result.ok:
            return False
    return not trial.sends or _send(connection, trial, show_safely)


def _with_defaults(cls: type[Integration], entered: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entered settings and the defaults of the form for others."""
    fields = {field.name: field for field in cls.Form()}
    if unknown := entered.keys() - fields.keys():
        raise Refused(
            "unknown_setting",
            f"{cls.title} has no setting {', '.join(sorted(unknown))}."
            f" Its settings are {', '.join(fields)}.",
        )
    return {name: field.data for name, field in fields.items() if field.data} | dict(entered)


def _send(connection: Integration, trial: Trial, show: Show) -> bool:
    address = trial.to or connection.destination_of(connection.settings)
    if not address:
        raise Refused("no_recipient", "Enter the recipient with --to, or use --no-send.")
    try:
        to = connection.clean_address(address)
    except ValueError as problem:
        raise Refused("invalid_address", str(problem)) from None
    own = connection.destination_of(connection.settings)
    if own and to != own:
        show(f"The recipient {to} is not the connection's own destination, {own}.")
    message = Outbound(
        id=new_id("msg"),
        attempt=1,
        to=connection.recipient_form(to),
        address=to,
        text=trial.text,
    )
    payload = json.dumps(connection.render(message), indent=2, ensure_ascii=False)
    show(f"Payload: {payload}")
    try:
        accepted = connection.send(message)
    except SendError as error:
        show(_describe_error(connection, error))
        return False
    show(_describe_accepted(accepted))
    return accepted.error is None


# ── Descriptions ──────────────────────────────────────────────────────────────────────────────────
def _describe_invalid(problem: settings_form.InvalidSettings) -> str:
    errors = problem.form.errors
    lines = [f"  {name}: {error}" for name, texts in errors.items() for error in texts]
    return "\n".join(["Settings: not valid.", *(lines or [f"  {problem}"])])


def _describe_check(result: CheckResult) -> str:
    lines = [f"Connection test: {'passed' if result.ok else 'failed'}. {result.title}"]
    lines += [f"  {text}" for text in (result.text, *result.warnings, *result.steps) if text]
    if result.field:
        lines.append(f"  Setting: {result.field}")
    lines += [f"  {line}" for line in result.response.splitlines()]
    return "\n".join(lines)


def _describe_error(connection: Integration, error: SendError) -> str:
    title = f"Error: {type(error).__name__}, code {error.code or 'none'}."
    problem = connection.explain(error.code)
    texts = [str(error)]
    if problem is not None and str(error).startswith(problem.text):
        texts = [problem.text, problem.remedy, problem.url]
    return "\n".join([title, *(f"  {text}" for text in texts if text)])


def _describe_accepted(accepted: Accepted) -> str:
    lines = [f"Result: {accepted.status}, ID {accepted.provider_id or 'none'}."]
    if accepted.price:
        lines.append(f"  Price: {accepted.price.amount} {accepted.price.currency}")
    if accepted.error is not None:
        lines.append(f"  {accepted.error}")
    return "\n".join(lines)
