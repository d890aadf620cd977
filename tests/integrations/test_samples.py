"""The contract reads samples made by any expression, and reports those that it cannot use."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integrations.samples import SAMPLES, SampleError, read_samples, read_signer

COMPUTED = """
HOST = "chat.example"
ACCOUNT: dict[str, str] = {"token": f"tok_{HOST}"}
SETTINGS = ACCOUNT | {"server": f"https://{HOST}"}
TO: str = "-".join(("team", "chat"))
SAMPLE_ACCEPTED = (200, dict(id=HOST))
CODES = ["closed", "gone"]
SAMPLE_REFUSALS = [*((403, {"error": code}, code) for code in CODES)]
SIGNS_BODY = not HOST


def sign(request, settings):
    return request
"""
texts = st.text(st.characters(codec="utf-8"), max_size=10)
plain = st.none() | st.booleans() | st.integers() | texts | st.binary(max_size=5)
values = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner, inner)
        | st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=6,
)


def written(folder: Path, content: str) -> Path:
    path = folder / f"test_pushfox_{uuid.uuid4().hex}.py"  # a module is imported once
    path.write_text(content)
    return path


def test_samples_may_be_made_by_expressions(tmp_path: Path) -> None:
    path = written(tmp_path, COMPUTED)
    assert read_samples(path) == {
        "SETTINGS": {"token": "tok_chat.example", "server": "https://chat.example"},
        "TO": "team-chat",
        "SAMPLE_ACCEPTED": (200, {"id": "chat.example"}),
        "SAMPLE_REFUSALS": [
            (403, {"error": "closed"}, "closed"),
            (403, {"error": "gone"}, "gone"),
        ],
        "SIGNS_BODY": False,
    }
    assert read_signer(path) is not None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(SAMPLES)), value=values)
def test_no_sample_is_left_out_without_a_reason(tmp_path: Path, name: str, value: Any) -> None:
    path = written(tmp_path, f"VALUE = {value!r}\n\n{name} = VALUE\n")
    samples: dict[str, Any] = {}
    reason = ""
    try:
        samples = read_samples(path)
    except SampleError as problem:
        reason = str(problem)
    assert samples == {name: value} or reason.startswith(f"{path}:3: {name} has to be ")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('SETTINGS = {\n    "token": TOKEN,\n}\n', ":2: NameError: name 'TOKEN' is not defined"),
        ("import hub\nimport no_such_module\n", ":2: ModuleNotFoundError"),
        ("TO = 'x'\nSETTINGS = {\n", ":2: SyntaxError"),
        ("import pytest\n\npytest.importorskip('no_such_module')\n", ":3: Skipped"),
    ],
)
def test_test_that_cannot_be_imported_is_reported_with_its_line(
    tmp_path: Path, content: str, reason: str
) -> None:
    path = written(tmp_path, content)
    with pytest.raises(SampleError) as problem:
        read_samples(path)
    assert str(problem.value).startswith(f"{path}{reason}")
