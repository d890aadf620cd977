"""Instances of every integration, and sample values for their tests."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from hub import integrations
from hub.core.data_dir import SimulatorCredentials
from hub.core.vocabulary import Address
from hub.integrations.base import (
    Integration,
    WebhookRequest,
)
from hub.lib import provider_http
from tests.integrations.samples import Sign, name_test_of, read_samples, read_signer, test_paths_of

CREDENTIALS = SimulatorCredentials(
    "AC" + "1" * 32, "t" * 32, "SK" + "2" * 32, "s" * 32, "+15005550006", "MG" + "3" * 32
)
ALL = list(integrations.registry().values())


every = pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.name)
senders = pytest.mark.parametrize(
    "cls", [cls for cls in ALL if cls.supports("send")], ids=lambda cls: cls.name
)


@cache
def samples_of(cls: type[Integration]) -> Mapping[str, Any]:
    """Return the samples of an integration, by name.

    SETTINGS and TO come from the demo where it has them. Otherwise they come from the integration's
    own test, as do all others, which the guide describes.
    """
    samples: dict[str, Any] = {}
    for path in test_paths_of(cls):
        samples |= read_samples(path)
    settings = cls.demo_settings(CREDENTIALS)
    if settings is not None:
        samples |= {"SETTINGS": settings, "TO": cls.destination_of(settings)}
    if "SETTINGS" in samples:
        samples.setdefault("TO", cls.destination_of(samples["SETTINGS"]))
    refused = [code for _, _, code in samples.get("SAMPLE_REFUSALS", [])]
    samples.setdefault("SAMPLE_CODES", refused)
    return samples


def sample(cls: type[Integration], name: str) -> Any:
    """Return a sample, or fail with the file that has to define it.

    A package may come without its test: the check is skipped then.
    """
    samples = samples_of(cls)
    if name not in samples and not cls.__module__.startswith("hub."):
        pytest.skip(f"its own test defines no {name}")
    assert name in samples, f"define {name} in {name_test_of(cls)}, as the guide describes"
    return samples[name]


def all_settings_of(cls: type[Integration]) -> list[dict[str, Any]]:
    """Return the settings of an integration: SETTINGS, and OTHER_SETTINGS in place of some."""
    settings = sample(cls, "SETTINGS")
    others = samples_of(cls).get("OTHER_SETTINGS", [])
    return [dict(settings), *({**settings, **other} for other in others)]


@cache
def signer_of(cls: type[Integration]) -> Sign | None:
    """Return the function `sign` of the integration's own test, or None if it has none."""
    for path in test_paths_of(cls):
        if sign := read_signer(path):
            return sign
    return None


def instance(cls: type[Integration]) -> Integration:
    return cls(samples_of(cls).get("SETTINGS", {}), provider_http.ProviderHttpClient())


def valid_address(cls: type[Integration]) -> str:
    usual = {Address.PHONE: "+13175551234", Address.EMAIL: "eric@example.com"}
    return usual.get(cls.address) or str(sample(cls, "TO"))


def make_webhook(
    path: str, body: bytes = b"a=1", kind: str = "application/x-www-form-urlencoded", **headers: str
) -> WebhookRequest:
    return WebhookRequest(
        "POST",
        f"https://hub.example/api/rpc/webhooks/{path}",
        path,
        {"content-type": kind, **headers},
        body,
    )
