"""The services of Apprise that Signpost sends to, and the rules for their URLs.

https://appriseit.com/services/
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from hub.integrations.api import MARKDOWN_MARKS, Escaper, quoted

# the characters of a URL; a comma, a semicolon or a space would begin a second one for Apprise
_URL = re.compile(
    r"(?P<scheme>[A-Za-z0-9]{1,32})://(?P<rest>[A-Za-z0-9._~%@:/+=-]{1,1000})"
    r"(?:\?(?P<query>[^?#]{1,1000}))?"
)
_PARAMETER = re.compile(r"(?P<name>[a-z_-]{1,32})=[A-Za-z0-9._~%@:/+-]{0,500}")
_ESCAPERS: Mapping[str, Escaper] = {
    "": Escaper(shortcuts="@"),
    "markdown": Escaper(marks=MARKDOWN_MARKS, shortcuts="@"),
    "chat": Escaper(marks="*_~`", entities="&<>", shortcuts="@"),
}
# what costs the most characters
WORST_ESCAPING = Escaper(marks=MARKDOWN_MARKS, entities="&<>", shortcuts="@")
CORRECT = "Copy the form of the URL from the list of services, and fill in your own values."


@dataclass(frozen=True)
class Service:
    """A service that Apprise sends to. services.toml explains the fields."""

    module: str
    title: str
    schemes: tuple[str, ...]
    example: str
    hosts: tuple[str, ...] = ()
    own_server: bool = False
    markup: str = ""
    options: tuple[str, ...] = ()

    @property
    def escape(self) -> Escaper:
        return _ESCAPERS[self.markup]

    def allows(self, server: str, own_server: str) -> bool:
        """Return whether requests may go to a server, which is a host with its port, if any.

        `own_server` is the server that the admin named in the form.
        """
        is_own = self.own_server and bool(own_server) and server == own_server
        return is_own or any(re.fullmatch(pattern, server) for pattern in self.hosts)


@cache
def services() -> Mapping[str, Service]:
    """Return the services by the scheme of their URLs."""
    table = tomllib.loads(files(__package__).joinpath("services.toml").read_text("utf-8"))
    by_scheme = {}
    for module, entry in table.items():
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
        }
        service = Service(module=module, **fields)
        by_scheme.update(dict.fromkeys(service.schemes, service))
    return MappingProxyType(by_scheme)


def service_of(url: str) -> Service:
    """Return the service of an Apprise URL whose form and parameters are allowed.

    Raises ValueError with a sentence that quotes no part of the URL that may be secret.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError(
            "This is not one Apprise URL. It looks like discord://webhook-id/token, without spaces"
            f" and commas. {CORRECT}"
        )
    service = services().get(match["scheme"].lower())
    if service is None:
        raise ValueError(
            f"Signpost does not send to {quoted(match['scheme'])} URLs. Choose a service from the"
            " list of services, or use its own integration."
        )
    for parameter in match["query"].split("&") if match["query"] else ():
        _check_parameter(service, parameter)
    return service


def server_of(url: str) -> str:
    """Return host and port of a request's URL, as they are written there."""
    return urlsplit(url).netloc.rpartition("@")[2].lower()


def _check_parameter(service: Service, parameter: str) -> None:
    match = _PARAMETER.fullmatch(parameter)
    if match is None:
        raise ValueError(f"The part of the URL after the question mark is not valid. {CORRECT}")
    if match["name"] not in service.options:
        allowed = f" Only {' and '.join(service.options)} may be used." if service.options else ""
        raise ValueError(
            f"Remove the parameter {quoted(match['name'])} from the URL: Signpost does not allow it"
            f" for {service.title}.{allowed}"
        )
