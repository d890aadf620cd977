"""Read the samples in an integration's own test, which the tests of the contract use.

The test is imported, so a sample may be made by any expression. A test that cannot be imported, and
a sample of another shape, are reported with their file and line.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hub.integrations.base import Integration, WebhookRequest

ROOT = Path(__file__).resolve().parents[2]

# of an integration's own test: it returns a webhook as the provider signs it with these settings
Sign = Callable[[WebhookRequest, Mapping[str, Any]], WebhookRequest]


class SampleError(Exception):
    """A test or a sample that cannot be used: its file, its line and the reason."""


def _is_settings(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(name, str) for name in value)


def _is_response(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], int)


def _is_refusal(value: Any) -> bool:
    is_triple = isinstance(value, tuple) and len(value) == 3
    return is_triple and _is_response(value[:2]) and isinstance(value[2], str)


def _is_webhook(value: Any) -> bool:
    if not isinstance(value, tuple) or len(value) != 3:
        return False
    path, headers, body = value
    return isinstance(path, str) and _is_settings(headers) and isinstance(body, bytes)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _list_of(is_valid: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        return isinstance(value, list | tuple) and all(map(is_valid, value))

    return check


# name → whether a value is valid, and what it has to be
SAMPLES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "SETTINGS": (_is_settings, "a dict with a value for each setting"),
    "OTHER_SETTINGS": (_list_of(_is_settings), "a list of dicts with settings"),
    "TO": (_is_text, "a text"),
    "SAMPLE_ACCEPTED": (_is_response, "a tuple (HTTP status, body)"),
    "SAMPLE_REFUSALS": (_list_of(_is_refusal), "a list of tuples (HTTP status, body, code)"),
    "SAMPLE_CODES": (_list_of(_is_text), "a list of texts"),
    "SAMPLE_WEBHOOKS": (
        _list_of(_is_webhook),
        "a list of tuples (path, headers, body), with the body as bytes",
    ),
    "SIGNS_BODY": (lambda value: isinstance(value, bool), "True or False"),
    "WRONG_SETTINGS": (_list_of(_is_settings), "a list of dicts with settings"),
    "WRONG_ADDRESSES": (_list_of(_is_text), "a list of texts"),
}


def read_samples(path: Path) -> dict[str, Any]:
    """Return the samples that a test defines. Raises SampleError."""
    module = import_test(path)
    samples = {name: getattr(module, name) for name in SAMPLES if hasattr(module, name)}
    for name, value in samples.items():
        is_valid, shape = SAMPLES[name]
        if not is_valid(value):
            raise SampleError(f"{_shown(path)}:{_line_of(path, name)}: {name} has to be {shape}.")
    return samples


def read_signer(path: Path) -> Sign | None:
    """Return the function `sign` that a test defines, or None. Raises SampleError."""
    sign: Sign | None = getattr(import_test(path), "sign", None)
    return sign


def test_paths_of(cls: type[Integration]) -> list[Path]:
    """Return the tests of an integration that exist."""
    return [path for path in _possible_tests(cls) if path.is_file()]


def name_test_of(cls: type[Integration]) -> str:
    """Return the path of the test in which an integration defines its samples."""
    paths = test_paths_of(cls) or _possible_tests(cls)
    return _shown(paths[0])


def _possible_tests(cls: type[Integration]) -> list[Path]:
    # several integrations of one folder of Signpost may share a test
    shared = cls.__module__.removeprefix("hub.integrations.").split(".")[0]
    names = dict.fromkeys((f"test_{cls.name}.py", f"test_{shared}.py"))
    test_folder = Path(inspect.getfile(cls)).parents[1] / "tests"  # of a separate package
    return [folder / name for folder in (Path(__file__).parent, test_folder) for name in names]


@cache
def import_test(path: Path) -> ModuleType:
    """Import a test of an integration, also that of a separate package. Raises SampleError."""
    try:
        if path.parent == Path(__file__).parent:
            return _import_module(f"tests.integrations.{path.stem}")
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(path.parent))
            return _import_module(path.stem)
    except (Exception, pytest.skip.Exception) as error:
        reason = f"{type(error).__name__}: {error}"
        raise SampleError(f"{_shown(path)}:{_line_of_error(path, error)}: {reason}") from error


def _import_module(name: str) -> ModuleType:
    # in its own thread, as Hypothesis allows no definition of a property within another
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(importlib.import_module, name).result()


def _line_of(path: Path, name: str) -> int:
    """Return the line on which a test defines a name."""
    for node in ast.parse(path.read_text()).body:
        if name in {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}:
            return node.lineno
    return 1


def _line_of_error(path: Path, error: BaseException) -> int:
    """Return the line of a test at which its import failed."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno or 1
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return (lines[-1] if lines else None) or 1


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)
