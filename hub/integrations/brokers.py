"""Find brokers: those of this package and of the entry points `hub.brokers`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType

from hub import integrations
from hub.core.errors import ConfigError, NotFound
from hub.core.quotes import quoted
from hub.integrations.broker import Broker

GROUP = "hub.brokers"


@cache
def registry() -> Mapping[str, type[Broker]]:
    """Return every broker by name, in the order of their titles.

    Raises ConfigError if two share a name.
    """
    brokers: dict[str, type[Broker]] = {}
    for module in pkgutil.iter_modules(integrations.__path__):
        if module.ispkg:
            for broker_class in _brokers_in(f"{integrations.__name__}.{module.name}"):
                _add(brokers, broker_class)
    for point in entry_points(group=GROUP):
        _add(brokers, point.load())
    return MappingProxyType(dict(sorted(brokers.items(), key=lambda item: item[1].title.lower())))


def get(name: str) -> type[Broker]:
    """Return a broker by name. Raises NotFound if it is unknown."""
    try:
        return registry()[name]
    except KeyError:
        raise NotFound("unknown_broker", f"The broker {quoted(name)} is not known.") from None


def _brokers_in(module_name: str) -> list[type[Broker]]:
    module = importlib.import_module(module_name)
    return [
        broker_class
        for _, broker_class in inspect.getmembers(module, inspect.isclass)
        if issubclass(broker_class, Broker)
        and broker_class.__module__.startswith(f"{module_name}.")
        and "name" in vars(broker_class)
    ]


def _add(brokers: dict[str, type[Broker]], broker_class: type[Broker]) -> None:
    other = brokers.setdefault(broker_class.name, broker_class)
    if other is not broker_class:
        raise ConfigError(
            f"Two brokers have the name {quoted(broker_class.name)}: {other.__module__}"
            f" and {broker_class.__module__}. Remove one of the packages."
        )
