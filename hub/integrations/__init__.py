"""The registry: integrations of this package and of the entry points `hub.integrations`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType

from hub.core.errors import ConfigError, NotFound
from hub.integrations.base import Integration

GROUP = "hub.integrations"


@cache
def registry() -> Mapping[str, type[Integration]]:
    """Return every integration by name, in the order of their titles.

    Raises ConfigError when two share a name.
    """
    found: dict[str, type[Integration]] = {}
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_") and module.name != "base":
            for cls in _classes(f"{__name__}.{module.name}"):
                _add(found, cls)
    for point in entry_points(group=GROUP):
        _add(found, point.load())
    return MappingProxyType(dict(sorted(found.items(), key=lambda item: item[1].title.lower())))


def _classes(module_name: str) -> list[type[Integration]]:
    module = importlib.import_module(module_name)
    return [
        cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, Integration)
        and f"{cls.__module__}.".startswith(f"{module_name}.")
        and "name" in vars(cls)
    ]


def _add(found: dict[str, type[Integration]], cls: type[Integration]) -> None:
    if cls.name in found and found[cls.name] is not cls:
        raise ConfigError(
            f"Two integrations are called {cls.name!r}: {found[cls.name].__module__} and"
            f" {cls.__module__}. Remove one of the packages."
        )
    found[cls.name] = cls


def reports(name: str) -> bool:
    """Tell whether more is ever heard of what an integration handed over; of a package that is
    gone, as far as is known, yes.
    """
    try:
        return get(name).reports()
    except NotFound:
        return True


def provider_of(name: str, otherwise: str) -> str:
    """Return the company behind an integration, as the subject of sentences; `otherwise` where its
    package is gone.
    """
    try:
        return get(name).provider
    except NotFound:
        return otherwise


def get(name: str) -> type[Integration]:
    """Return an integration by name.

    Raises NotFound, which also an uninstalled package comes to.
    """
    try:
        return registry()[name]
    except KeyError:
        raise NotFound(
            "unknown_integration",
            f"There is no integration {name!r} here. If it comes from a package, install it.",
        ) from None


def webhook_paths() -> Mapping[str, tuple[type[Integration], ...]]:
    """Return every declared webhook path with the integrations that read what comes there: who
    declares it, and their families.
    """
    paths: dict[str, tuple[type[Integration], ...]] = {}
    for cls in registry().values():
        for path in cls.webhooks:
            kin = [
                other
                for other in registry().values()
                if other is cls or (cls.family and other.family == cls.family)
            ]
            paths[path] = tuple(dict.fromkeys((*paths.get(path, ()), cls, *kin)))
    return paths
