"""Find integrations: those of this package and of the entry points `hub.integrations`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from hub.core.errors import ConfigError, NotFound
from hub.core.quotes import quoted
from hub.integrations.base import Integration
from hub.integrations.webhook_receiver import WebhookReceiver

GROUP = "hub.integrations"
CONTRACT = 2  # the version of the contract in `base` that integrations are written for
NAMES = "docs/integration-names.md"  # the old and new names of the contract
# the modules of this package's integrations, where they do not have the name of the integration
MODULES = MappingProxyType({"twilio_sms": "twilio", "twilio_voice": "twilio", "whatsapp": "twilio"})


@cache
def registry() -> Mapping[str, type[Integration]]:
    """Return every integration by name, in the order of their titles.

    Raises ConfigError if two share a name, or if one was written for another contract.
    """
    integrations: dict[str, type[Integration]] = {}
    for module in _module_names():
        for integration_class in _integrations_in(module):
            _add(integrations, integration_class)
    for point in entry_points(group=GROUP):
        _add(integrations, _load_entry_point(point))
    by_title = sorted(integrations.items(), key=lambda item: item[1].title.lower())
    return MappingProxyType(dict(by_title))


@cache
def _module_names() -> frozenset[str]:
    """Return the names of this package's modules and packages."""
    return frozenset(
        module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")
    )


@cache
def _integrations_in(module: str) -> tuple[type[Integration], ...]:
    """Load a module of this package, and return its integrations."""
    full_name = f"{__name__}.{module}"
    return tuple(
        integration_class
        for _, integration_class in inspect.getmembers(
            importlib.import_module(full_name), inspect.isclass
        )
        if issubclass(integration_class, Integration)
        and f"{integration_class.__module__}.".startswith(f"{full_name}.")
        and "name" in vars(integration_class)
    )


@lru_cache(maxsize=256)  # bounded, because names also come from URLs
def _find_own(name: str) -> type[Integration] | None:
    """Return an integration of this package by name, or None. Only its module is loaded.

    A worker needs the integrations of its connections, and the others take 4 MB.
    """
    module = MODULES.get(name, name)
    if module not in _module_names():
        return None
    return next((found for found in _integrations_in(module) if found.name == name), None)


def _load_entry_point(point: EntryPoint) -> type[Integration]:
    """Load the integration of a package. Raises ConfigError if it needs another contract."""
    try:
        integration_class: type[Integration] = point.load()
    except (ImportError, AttributeError) as error:
        # a package of an older contract may import names that no longer exist
        raise ConfigError(
            f"The integration {quoted(point.name)} of {_package_name(point)} cannot be loaded:"
            f" {error}."
            f" Update or remove the package. If it was written for an older contract, {NAMES} in"
            " the source of Signpost lists the old and new names."
        ) from error
    declared = getattr(integration_class, "contract", 1)
    if declared != CONTRACT:
        raise ConfigError(
            f"The integration {quoted(point.name)} of {_package_name(point)} was written for"
            f" contract"
            f" {declared}, and this version of Signpost needs contract {CONTRACT}. Update or remove"
            f" the package. {NAMES} in the source of Signpost lists the old and new names."
        )
    return integration_class


def _package_name(point: EntryPoint) -> str:
    return f"the package {point.dist.name} {point.dist.version}" if point.dist else point.value


def _add(integrations: dict[str, type[Integration]], integration_class: type[Integration]) -> None:
    name = integration_class.name
    other = integrations.setdefault(name, integration_class)
    if other is not integration_class:
        raise ConfigError(
            f"Two integrations have the name {quoted(name)}: {other.__module__}"
            f" and {integration_class.__module__}. Remove one of the packages."
        )


def reports_delivery(name: str) -> bool:
    """Return whether the status of an integration's messages changes after they are sent.

    Returns True for an integration that is no longer installed.
    """
    try:
        return get(name).reports
    except NotFound:
        return True


def provider_name(name: str, otherwise: str) -> str:
    """Return the company of an integration, as the subject of sentences.

    Returns `otherwise` for an integration that is no longer installed.
    """
    try:
        return get(name).provider
    except NotFound:
        return otherwise


def destination_label(name: str, destination: str) -> str:
    """Return words for a destination of an integration, or the destination as it is stored."""
    try:
        return get(name).destination_label(destination)
    except NotFound:
        return destination


def get(name: str) -> type[Integration]:
    """Return an integration by name. Raises NotFound if it is not installed."""
    if (own := _find_own(name)) is not None:
        return own
    try:
        return registry()[name]
    except KeyError:
        raise NotFound(
            "unknown_integration",
            f"The integration {quoted(name)} is not installed. If it comes from a package,"
            " install the package.",
        ) from None


def webhook_receiver(name: str) -> type[WebhookReceiver]:
    """Return an integration that receives webhooks, by name.

    Raises NotFound if it is not installed, or does not support webhooks in this version.
    """
    integration_class = get(name)
    if not issubclass(integration_class, WebhookReceiver):
        raise NotFound(
            "no_webhooks", f"{integration_class.title} does not support webhooks in this version."
        )
    return integration_class


def webhook_paths() -> Mapping[str, tuple[type[WebhookReceiver], ...]]:
    """Return every declared webhook path with the integrations that read its requests.

    These are the integrations that declare the path, and those of the same family.
    """
    paths: dict[str, tuple[type[WebhookReceiver], ...]] = {}
    receivers = [
        integration_class
        for integration_class in registry().values()
        if issubclass(integration_class, WebhookReceiver)
    ]
    for integration_class in receivers:
        for path in integration_class.webhooks:
            family = [
                other
                for other in receivers
                if other is integration_class
                or (integration_class.family and other.family == integration_class.family)
            ]
            paths[path] = tuple(dict.fromkeys((*paths.get(path, ()), integration_class, *family)))
    return paths
