"""Fields for the settings of integrations, with their rules and their help."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from markupsafe import Markup
from wtforms import Form, PasswordField, StringField
from wtforms.validators import (
    InputRequired,
    Length,
    Optional,
    Regexp,
    StopValidation,
    ValidationError,
)
from wtforms.widgets import TextArea, html_params

from hub.integrations.json_web_tokens import signing_algorithm
from hub.lib import phones

F = TypeVar("F", bound=Form)

MAX_SECRET_LENGTH = 200  # characters
MAX_KEY_LENGTH = 10_000  # characters
PRIVATE_SERVERS = (
    "A server with a private address, or without https, has to be listed in `HUB_HTTP_ALLOW`."
)
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*|[0-9a-f]*:[0-9a-f:.]+")
SENDER_RULE = (
    "Enter a number such as +13175551234, a short code, or a name of up to 11 letters and digits."
)
# numbers, short codes, and names with at least one letter
SENDER = r"(\+[1-9][0-9]{6,14}|[1-9][0-9]{2,7}|(?=[0-9]*[A-Za-z])[0-9A-Za-z]{1,11})\Z"


class ConfigForm(Form):
    """The form of an integration's settings.

    A field's `render_kw` may contain `legend`, the title of a group that begins with this field.
    Rules between fields are checked in `validate`, after that of the base class.
    """

    def add_error(self, name: str, error: str) -> bool:
        """Add an error to a field, and return False."""
        self[name].errors = [*self[name].errors, error]
        return False

    def require_together(self, *names: str, error: str) -> bool:
        """Return whether all of the fields are filled, or none; add an error to the first blank."""
        blank = [name for name in names if not self[name].data]
        return len(blank) in (0, len(names)) or self.add_error(blank[0], error)

    def require_one(self, *names: str, error: str) -> bool:
        """Return whether one of the fields is filled; add an error to the first one if not."""
        return any(self[name].data for name in names) or self.add_error(names[0], error)


class SecretField(PasswordField):
    """A secret setting, which is never shown again. If left blank, it keeps the stored value.

    `required` refuses a blank field, and allows 8 to 200 visible ASCII characters. `required_with`
    names a field, such as a user name, that needs the secret. `optional` allows the same characters
    or a blank field. `bound_to` names the fields that it belongs to: if one of them changes, the
    secret must be entered again. An optional secret is removed instead if it is left blank and only
    required fields of `bound_to` changed.
    """

    # set by the page that shows the form
    stored: bool = False  # whether a value is stored
    removed_with: Sequence[str] = ()  # labels of fields whose change removes a value left blank
    kept: str = ""  # the value that was entered before, encrypted

    def __init__(
        self,
        label: str,
        validators: Any = (),
        bound_to: tuple[str, ...] = (),
        *,
        required: bool = False,
        optional: bool = False,
        required_with: str = "",
        **options: Any,
    ) -> None:
        rules = required_secret(noun_of(label)) if required else []
        if optional:
            rules = optional_secret(noun_of(label))
        if required_with:
            rules = [_required_with(required_with, f"Enter the {noun_of(label)}.")]
        options.setdefault("description", "It is stored encrypted and never shown again.")
        super().__init__(label, [*rules, *validators], **options)
        self.bound_to = bound_to


def _required_with(name: str, message: str) -> Any:
    def check(form: Any, field: Any) -> None:
        if form[name].data and not field.data:
            raise StopValidation(message)  # a later Optional would remove the error

    return check


def noun_of(label: str) -> str:
    """Return a label as a noun within a sentence: `Access token` becomes `access token`."""
    is_abbreviation = label[1:2].isupper()
    return label if is_abbreviation else label[:1].lower() + label[1:]


def required_secret(noun: str) -> list[Any]:
    """Return the validators of a required secret, which messages call `noun`, such as "token".

    A secret has 8 to 200 visible ASCII characters, so that it can be sent in a header.
    """
    return [InputRequired(f"Enter the {noun}."), *_secret_rules(noun, 8)]


def optional_secret(noun: str) -> list[Any]:
    """Return the validators of a secret that may be missing, such as an access token.

    It has the same characters as a required one. An admin removes it by changing a required field
    of `bound_to`, or by clearing an optional one, and leaving the secret blank.
    """
    return [Optional(), *_secret_rules(noun, 1)]


def _secret_rules(noun: str, shortest: int) -> list[Any]:
    longest = MAX_SECRET_LENGTH
    count = f"{shortest} to {longest}" if shortest > 1 else f"at most {longest}"
    rule = f"The {noun} has {count} characters, without spaces."
    return [Regexp(rf"[!-~]{{{shortest},{longest}}}\Z", message=rule)]


class _BlankTextArea(TextArea):
    """Several lines that are entered, and never shown again."""

    def __call__(self, field: Any, **attributes: Any) -> Markup:
        attributes.setdefault("id", field.id)
        attributes.setdefault("rows", 5)
        # html_params leaves out what is False
        flags = {name: getattr(field.flags, name) or False for name in ("required", "maxlength")}
        shown = html_params(name=field.name, **{**flags, **attributes})
        return Markup(f"<textarea {shown}></textarea>")  # noqa: S704 - html_params escapes


class PrivateKeyField(SecretField):
    """A private key as PEM text of several lines, which is checked when it is saved.

    The key has no password. It is RSA with at least 2048 bits, or on the curve P-256.
    """

    widget = _BlankTextArea()

    def __init__(
        self,
        label: str = "Private key",
        validators: Any = (),
        *,
        required: bool = False,
        **options: Any,
    ) -> None:
        options.setdefault(
            "description",
            "The whole file, with the lines that begin with `-----`. It is stored encrypted and"
            " never shown again.",
        )
        options.setdefault("render_kw", {"mono": True})
        options["filters"] = [_pem_lines]
        missing = InputRequired(f"Enter the {noun_of(label)}.") if required else Optional()
        super().__init__(label, [missing, _check_private_key, *validators], **options)


def _pem_lines(text: str | None) -> str | None:
    """Return a PEM text with the line breaks that it has in its file.

    Text that was copied out of JSON has `\\n` in their place.
    """
    if not text:
        return text
    lines = text.replace("\\n", "\n").splitlines()
    return "\n".join(line.strip() for line in lines if line.strip()) + "\n"


def _check_private_key(form: Any, field: Any) -> None:
    del form
    if len(field.data) > MAX_KEY_LENGTH or not field.data.startswith("-----BEGIN "):
        raise ValidationError(
            "Paste the whole private key, from the line -----BEGIN to the line -----END."
        )
    try:
        signing_algorithm(field.data)
    except ValueError as error:
        raise ValidationError(str(error)) from None


class ServerField(StringField):
    """The address of a provider's server that an admin may run, without a path.

    `default` is the provider's own server; without one, the field is empty at first. The value has
    no slash at the end.
    """

    def __init__(
        self,
        label: str = "Server address",
        validators: Any = None,
        *,
        default: str = "",
        **options: Any,
    ) -> None:
        example = default or "https://chat.your-company.com"
        options.setdefault("description", f"Such as `{example}`. {PRIVATE_SERVERS}")
        options.setdefault("render_kw", {"legend": "Server", "mono": True})
        options["filters"] = [lambda text: text.strip().lower().rstrip("/") if text else text]
        rules = [InputRequired("Enter the address of the server."), _check_server(example)]
        super().__init__(label, [*rules, *(validators or ())], default=default, **options)


class TokenField(SecretField):
    """The access token for the server in a ServerField. It may be missing.

    It is removed when the server changes and the token is left blank.
    """

    def __init__(self, label: str = "Access token", **options: Any) -> None:
        options.setdefault("bound_to", ("server",))
        options.setdefault("description", "For a server that asks for one. It is stored encrypted.")
        super().__init__(label, optional=True, **options)


class WebhookUrlField(SecretField):
    """The URL of an incoming webhook, which is the credential.

    `example` is shown in messages, and `path` is a pattern of the whole path. `host` is a pattern
    of the provider's host; without it, an admin may enter their own server. The URL has no
    query.
    """

    def __init__(
        self, label: str = "Webhook URL", *, example: str, path: str, host: str = "", **options: Any
    ) -> None:
        self.is_own_server = not host
        own = f" {PRIVATE_SERVERS}" if self.is_own_server else ""
        options.setdefault(
            "description", f"Anyone who has it can post. It is stored encrypted.{own}"
        )
        options.setdefault("render_kw", {"legend": "Webhook"})
        rules = [InputRequired("Enter the webhook’s URL."), _check_webhook_url(example, path, host)]
        super().__init__(label, rules, **options)


class SenderField(StringField):
    """The sender of text messages: a number, a short code or a name. Separators are removed."""

    def __init__(self, label: str = "Sender", validators: Any = None, **options: Any) -> None:
        options.setdefault(
            "description",
            "Your number, such as `+13175551234`, a short code, or a name of up to 11 letters and"
            " digits. Nobody can reply to a name.",
        )
        options.setdefault("render_kw", {"legend": "Sender", "mono": True})
        options["filters"] = [phones.parse_typed_sender]
        rules = [InputRequired("Enter your number or a name."), Regexp(SENDER, message=SENDER_RULE)]
        super().__init__(label, [*rules, *(validators or ())], **options)


class TextField(StringField):
    """A text without surrounding space. It is optional unless it is `required`.

    `required` may be the message for a blank field. The text matches `pattern`, or `rule` says how
    it looks. It has at most `longest` characters.
    """

    def __init__(
        self,
        label: str,
        *,
        required: str | bool = "",
        pattern: str = "",
        rule: str = "",
        longest: int = 200,
        **options: Any,
    ) -> None:
        missing = required if isinstance(required, str) else f"Enter the {noun_of(label)}."
        rules: list[Any] = [InputRequired(missing) if required else Optional()]
        rules.append(Length(max=longest, message=f"Enter at most {longest:,} characters."))
        if pattern:
            rules.append(Regexp(rf"(?:{pattern})\Z", message=rule))
        options["filters"] = [lambda text: text.strip() if text else text]
        super().__init__(label, [*rules, *options.pop("validators", ())], **options)


class ChannelField(TextField):
    """The name of another channel than the own one of an incoming webhook."""

    def __init__(self, label: str = "Channel", **options: Any) -> None:
        options.setdefault("pattern", r"[#@]?[a-z0-9][a-z0-9._-]{0,79}")
        options.setdefault("rule", "Enter the channel’s name as in its link, such as town-square.")
        options.setdefault(
            "description",
            "The name of another channel, as in its link, such as `town-square`. Leave it blank to"
            " post to the webhook’s own channel.",
        )
        options.setdefault("render_kw", {"mono": True})
        super().__init__(label, **options)


def with_destination_rule(form: type[F], name: str, clean: Callable[[str], str]) -> type[F]:
    """Return a form whose field for the destination also refuses what `clean` refuses."""

    def check(self: Any, field: Any) -> None:
        try:
            clean(field.data or "")
        except ValueError as error:
            raise ValidationError(str(error)) from None

    method = f"validate_{name}"
    if hasattr(form, method):
        return form
    return type(form.__name__, (form,), {method: check, "__doc__": form.__doc__})


def joined_settings(settings: Mapping[str, Any], names: str | tuple[str, ...]) -> str:
    """Return a setting, or several as one text: `dana@ntfy.sh` of a user and a server's address."""
    if isinstance(names, str):
        return str(settings.get(names) or "")
    values = [str(settings.get(name) or "") for name in names]
    return "@".join(server_of(value) or value for value in values if value)


def server_of(url: str) -> str:
    """Return host and port of a URL as it was written, in lower case, or "" for an invalid one."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""


def _check_server(example: str) -> Any:
    message = f"Enter an address such as {example}, without a path."

    def check(form: Any, field: Any) -> None:
        parts = _parse_url(field.data or "")
        if parts is None or parts.path or parts.query or parts.fragment:
            raise ValidationError(message)

    return check


def _check_webhook_url(example: str, path: str, host: str) -> Any:
    message = f"The URL looks like {example}."

    def check(form: Any, field: Any) -> None:
        parts = _parse_url(field.data or "")
        if (
            parts is None
            or parts.query
            or parts.fragment
            or not re.fullmatch(path, parts.path)
            or (host and (parts.scheme != "https" or not re.fullmatch(host, parts.netloc.lower())))
        ):
            raise ValidationError(message)

    return check


def _parse_url(url: str) -> Any:
    """Return the parts of a web address without user name, or None for anything else."""
    if not re.fullmatch(r"[!-~]{1,2000}", url):
        return None
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        is_valid = parts.port != 0 and "@" not in parts.netloc and _HOST.fullmatch(host)
    except ValueError:
        return None
    return parts if is_valid and parts.scheme in ("https", "http") else None
