"""Files and packages of handlers: found, loaded, changed, and broken."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import Refused
from hub.endpoints.catalog import event_kinds, handler_event_kinds
from hub.endpoints.patterns import matches, parse_patterns
from hub.handlers import child_process, handler_list, registration
from hub.handlers import on as on_function
from tests.endpoints.receivers import report
from tests.handlers.handler_steps import HandlerFile, handler, run_due, states_of

NINE_SMS_STATUSES = [
    "accepted",
    "queued",
    "sending",
    "sent",
    "failed",
    "delivered",
    "undelivered",
    "receiving",
    "received",
]
GOOD = '@on("sms_delivered")\ndef good(event): note("good", event)\n'
with_hub = pytest.mark.usefixtures("hub_demo")


@pytest.mark.parametrize("status", NINE_SMS_STATUSES)
def test_each_status_of_sms_can_be_handled(status: str) -> None:
    assert f"sms_{status}" in handler_event_kinds()


def test_handlers_can_receive_every_event_of_endpoints() -> None:
    assert event_kinds().keys() < handler_event_kinds().keys()
    assert not {"sms_accepted", "sms_queued", "sms_sending", "sms_receiving"} & event_kinds().keys()


def test_calls_have_no_statuses_of_messages() -> None:
    types = {name for name in handler_event_kinds() if name.startswith("call_")}
    assert types == {name for name in event_kinds() if name.startswith("call_")}
    words = "queued initiated ringing in_progress completed busy failed no_answer canceled"
    assert {f"call_{word}" for word in words.split()} <= types


def test_each_event_has_an_example_of_its_own_type() -> None:
    for name, kind in handler_event_kinds().items():
        assert kind.example()["type"] == kind.type == name
        assert kind.meaning.endswith(".")


@given(st.lists(st.sampled_from(sorted(handler_event_kinds())), min_size=1, max_size=5), st.data())
def test_patterns_match_what_they_begin(types: list[str], data: st.DataObject) -> None:
    patterns = [
        event_type[: data.draw(st.integers(0, len(event_type)))] + "*"
        if data.draw(st.booleans())
        else event_type
        for event_type in types
    ]
    stored = parse_patterns(patterns, handler_event_kinds())
    for event_type in handler_event_kinds():
        expected = any(
            event_type == pattern or (pattern.endswith("*") and event_type.startswith(pattern[:-1]))
            for pattern in patterns
        )
        assert matches(stored, event_type) is expected


# ── Mistakes in the code ──────────────────────────────────────────────────────────────────────────
def test_wrong_name_of_an_event_names_the_remedy() -> None:
    with pytest.raises(
        ValueError, match=r"No event matches “sms_deliverd”. Did you mean sms_deliv"
    ):
        on_function("sms_deliverd")(lambda event: None)


@pytest.mark.parametrize(
    "declare",
    [
        lambda: on_function(),
        lambda: on_function(lambda event: None),  # type: ignore[arg-type]
        lambda: on_function("sms_sent")(print),
        lambda: on_function("sms_sent")(lambda: None),
        lambda: on_function("sms_sent")(lambda event, more: None),
    ],
)
def test_misused_decorator_names_the_remedy(declare: object) -> None:
    with pytest.raises(TypeError, match=r"@on\(|event"):
        declare()  # type: ignore[operator]


@with_hub
def test_one_wrong_handler_does_not_stop_the_others_of_its_file(handler_file: HandlerFile) -> None:
    handler_file.register(
        GOOD
        + '@on("sms_deliverd")\ndef typo(event): pass\n'
        + '@on("sms_sent")\nasync def later(event): pass\n'
    )
    report()
    run_due()
    assert handler_file.calls == [("good", "sms_delivered")]
    problems = {one["name"]: one["problem"] for one in registration.load_problems()}
    assert "Did you mean sms_delivered?" in problems["hooks:typo"]
    assert "plain function" in problems["hooks:later"]
    assert [one.function for one in handler_list.list_handlers()] == ["good"]


@with_hub
@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import no_such_module", "ModuleNotFoundError"),
        ("def broken(:", "SyntaxError"),
        ("raise SystemExit(2)", "SystemExit"),
        ("os._exit(4)", "Its process ended with status 4."),
        ("1 / 0", "ZeroDivisionError"),
        ("while True: pass", "Stopped after 1 seconds."),
        ("blocks = [os.urandom(10**6) for _ in range(10**6)]", "Stopped because it used more"),
        ("note = '\\0'\nraise ValueError('+13175551234 \\ud800 \\0')", "ValueError"),
    ],
)
def test_file_that_cannot_be_loaded_is_shown(
    handler_file: HandlerFile, monkeypatch: pytest.MonkeyPatch, code: str, problem: str
) -> None:
    monkeypatch.setattr(child_process, "LOAD_SECONDS", 1)
    handler_file.register(GOOD)
    event_id = report()
    started = time.monotonic()
    handler_file.register(GOOD + code)
    assert time.monotonic() - started < 20
    [shown] = registration.load_problems()
    assert (shown["name"], shown["problem"].startswith(problem)) == ("hooks.py", True)
    assert "1317" not in shown["message"]
    run_due()
    assert states_of("good") == ["pending"]
    assert handler("good").problem.startswith("hooks.py could not be loaded.")
    handler_file.register(GOOD)
    assert registration.load_problems() == []
    handler_list_row = handler("good").row
    from hub.handlers import retries

    retries.retry(handler_list_row.id, event_id)
    run_due()
    assert states_of("good") == ["delivered"]


@with_hub
def test_missing_file_is_shown(handler_file: HandlerFile) -> None:
    registration.register()
    [shown] = registration.load_problems()
    assert (shown["name"], shown["problem"]) == ("hooks.py", "FileNotFoundError")


@with_hub
def test_renamed_handler_is_a_new_one_and_the_former_is_shown(handler_file: HandlerFile) -> None:
    from hub.handlers import retries

    handler_file.register('@on("*")\ndef former(event): raise OSError')
    report()
    run_due()
    handler_file.register('@on("*")\ndef renamed(event): note("renamed", event)')
    report()
    run_due()
    assert handler("former").word == "removed"
    assert states_of("former") == ["pending"]
    assert states_of("renamed") == ["delivered"]
    with pytest.raises(Refused, match="Enable it first"):
        retries.retry_all(handler("former").row.id)
    assert retries.skip_all(handler("former").row.id) == 1
    assert states_of("former") == ["skipped"]


@with_hub
def test_handler_whose_code_is_back_continues(handler_file: HandlerFile) -> None:
    handler_file.register(GOOD)
    report()
    handler_file.register("")
    report()
    assert run_due() == 0
    handler_file.register(GOOD)
    run_due()
    assert states_of("good") == ["delivered"]


@with_hub
def test_disabled_handler_whose_code_is_back_stays_disabled(handler_file: HandlerFile) -> None:
    handler_file.register(GOOD)
    handler_list.disable_handler(handler("good").row.id)
    handler_file.register("")
    assert handler("good").word == "removed"
    handler_file.register("")
    handler_file.register(GOOD)
    assert handler("good").word == "disabled"
    handler_list.enable_handler(handler("good").row.id)
    assert handler("good").is_enabled
    handler_file.register("")
    handler_file.register(GOOD)
    assert handler("good").is_enabled


@with_hub
def test_changed_patterns_count_from_then_on(handler_file: HandlerFile) -> None:
    handler_file.register('@on("sms_sent")\ndef one(event): note("one", event)')
    report("sms_sent")
    handler_file.register('@on("sms_failed")\ndef one(event): note("one", event)')
    report("sms_sent")
    report("sms_failed")
    run_due()
    assert sorted(handler_file.calls) == [("one", "sms_failed"), ("one", "sms_sent")]


@with_hub
def test_file_can_import_the_modules_beside_it(handler_file: HandlerFile) -> None:
    (handler_file.path.parent / "crm.py").write_text("TOKEN = 'abc'\n")
    handler_file.register("import crm\n" + GOOD.replace('"good"', "crm.TOKEN"))
    report()
    run_due()
    assert handler_file.calls == [("abc", "sms_delivered")]


# ── Packages ──────────────────────────────────────────────────────────────────────────────────────
@with_hub
def test_handlers_of_an_installed_package_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    details = site / "acme_hooks-1.0.dist-info"
    details.mkdir(parents=True)
    (details / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-hooks\nVersion: 1.0\n")
    (details / "entry_points.txt").write_text("[hub.handlers]\nacme = acme_hooks.crm\n")
    package = site / "acme_hooks"
    package.mkdir()
    (package / "__init__.py").touch()
    log = tmp_path / "log"
    (package / "crm.py").write_text(
        "from hub.handlers import on\n@on('sms_*')\ndef update(event):\n"
        f"    open({str(log)!r}, 'a').write(event.type)\n"
    )
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))
    registration.register()
    report()
    run_due()
    assert log.read_text() == "sms_delivered"
    assert handler("update").module == "acme_hooks.crm"


def test_declaring_a_handler_loads_nothing_heavy() -> None:
    code = (
        "import sys, hub.handlers\n"
        "heavy = {'flask', 'sqlalchemy', 'twilio', 'redis', 'wtforms', 'requests', 'psutil'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]"
