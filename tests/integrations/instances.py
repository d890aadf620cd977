"""Instances of every integration, and sample values for their tests."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
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

CREDENTIALS = SimulatorCredentials(
    "AC" + "1" * 32, "t" * 32, "SK" + "2" * 32, "s" * 32, "+15005550006", "MG" + "3" * 32
)
ALL = list(integrations.registry().values())


every = pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.name)
senders = pytest.mark.parametrize(
    "cls", [cls for cls in ALL if cls.supports("send")], ids=lambda cls: cls.name
)


# literals of an integration's own test, which the tests below use
SAMPLES = (
    "SETTINGS",
    "TO",
    "SAMPLE_ACCEPTED",
    "SAMPLE_REFUSALS",
    "SAMPLE_CODES",
    "SAMPLE_WEBHOOKS",
    "SIGNS_BODY",
    "WRONG_SETTINGS",
    "WRONG_ADDRESSES",
)
# of an integration's own test: it returns a webhook as the provider signs it with these settings
Sign = Callable[[WebhookRequest, Mapping[str, Any]], WebhookRequest]


@cache
def samples_of(cls: type[Integration]) -> Mapping[str, Any]:
    """Return the samples of an integration, by name.

    SETTINGS and TO come from the demo where it has them. Otherwise they come from the integration's
    own test, as do all others, which the guide describes.
    """
    samples = {}
    for path in test_modules_of(cls):
        for node in ast.parse(path.read_text()).body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            if names and names[0] in SAMPLES and (value := literal(node)) is not None:
                samples[names[0]] = value
    settings = cls.demo_settings(CREDENTIALS)
    if settings is not None:
        samples |= {"SETTINGS": settings, "TO": cls.destination_of(settings)}
    if "SETTINGS" in samples:
        samples.setdefault("TO", cls.destination_of(samples["SETTINGS"]))
    refused = [code for _, _, code in samples.get("SAMPLE_REFUSALS", [])]
    samples.setdefault("SAMPLE_CODES", refused)
    return samples


def test_modules_of(cls: type[Integration]) -> list[Path]:
    # several integrations of one folder of Signpost may share a test
    shared = cls.__module__.removeprefix("hub.integrations.").split(".")[0]
    names = {f"test_{cls.name}.py", f"test_{shared}.py"}
    test_folder = Path(inspect.getfile(cls)).parents[1] / "tests"  # of a package of its own
    folders = (Path(__file__).parent, test_folder)
    paths = (folder / name for folder in folders for name in sorted(names))
    return [path for path in paths if path.is_file()]


@cache
def signer_of(cls: type[Integration]) -> Sign | None:
    """Return the function `sign` of the integration's own test, or None if it has none."""
    for path in test_modules_of(cls):
        if "\ndef sign(" in path.read_text():
            sign: Sign = import_test(path).sign
            return sign
    return None


def import_test(path: Path) -> ModuleType:
    """Import a test of an integration, also that of a package of its own."""
    if path.parent == Path(__file__).parent:
        return importlib.import_module(f"tests.integrations.{path.stem}")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(path.parent))
        return importlib.import_module(path.stem)


def literal(node: ast.stmt) -> Any:
    assert isinstance(node, ast.Assign)
    try:
        return ast.literal_eval(node.value)
    except ValueError:  # made by code
        return None


def instance(cls: type[Integration]) -> Integration:
    return cls(samples_of(cls).get("SETTINGS", {}), provider_http.ProviderHttpClient())


def valid_address(cls: type[Integration]) -> str:
    return {Address.PHONE: "+13175551234", Address.EMAIL: "eric@example.com"}.get(
        cls.address, samples_of(cls).get("TO") or "x"
    )


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
