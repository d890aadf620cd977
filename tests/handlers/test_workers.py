"""Several real worker processes share the events of a handler, and one may be killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psutil
import pytest
import time_machine

from hub.db.types import now
from hub.endpoints import claims
from hub.handlers import retries, trial
from tests.commands import run_command, run_forked, run_in_process
from tests.endpoints.receivers import report
from tests.handlers.handler_steps import (
    HandlerFile,
    deliveries_to,
    handler,
    run_due,
    states_of,
)
from tests.hub_fixtures import eventually

pytestmark = [pytest.mark.usefixtures("hub_demo"), pytest.mark.xdist_group("processes")]

WORKER = """
import hub
from hub.endpoints.dispatcher import Dispatcher
from hub.handlers.calls import HandlerCaller
from hub.lib.shutdown import ShutdownSignal
with hub.create_app(blueprints=False).app_context():
    Dispatcher(ShutdownSignal(30), HandlerCaller()).run(linger=1)
"""


@contextmanager
def running_worker(environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker, which ends with the block at the latest."""
    command = [sys.executable, "-c", WORKER]
    with subprocess.Popen(command, env={**os.environ, **environ}) as worker:
        try:
            yield worker
        finally:
            worker.kill()


def test_two_workers_never_run_an_event_at_the_same_time(
    handler_file: HandlerFile, environ: dict[str, str]
) -> None:
    handler_file.register(
        """
        @on("sms_delivered")
        def careful(event):
            lock = LOG.with_name(event.id)
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
            time.sleep(0.02)
            note("careful", event)
            if event.attempt == 1 and event.id[-1] in "0123":
                os.unlink(lock)
                raise OSError("once more")
            os.unlink(lock)
        """
    )
    event_ids = [report() for _ in range(60)]
    with running_worker(environ) as first, running_worker(environ) as second:
        assert [first.wait(60), second.wait(60)] == [0, 0]
    with time_machine.travel(now() + timedelta(minutes=1), tick=True):
        run_due()
    expected = {event_id: 2 if event_id[-1] in "0123" else 1 for event_id in event_ids}
    assert Counter(event["id"] for _, event, _ in handler_file.notes) == expected
    assert set(states_of("careful")) == {"delivered"}


def test_event_of_a_killed_worker_runs_again(
    handler_file: HandlerFile, environ: dict[str, str]
) -> None:
    handler_file.register(
        """
        @on("sms_delivered")
        def slow(event):
            note("began", event)
            if event.attempt == 1:
                time.sleep(30)
            note("ended", event)
        """
    )
    event_id = report()
    with running_worker(environ):
        eventually(lambda: handler_file.notes, seconds=30)
    assert run_due() == 0, "the claim of the killed worker still holds"
    with pytest.raises(Exception, match="is running with this event"):
        retries.retry(handler("slow").row.id, event_id)
    assert retries.retry_all(handler("slow").row.id) == 0
    assert retries.skip_all(handler("slow").row.id) == 0
    with time_machine.travel(now() + claims.HANDLER_LEASE, tick=True):
        assert run_due() == 1
    assert [name for name, _, _ in handler_file.notes] == ["began", "began", "ended"]
    assert states_of("slow") == ["delivered"]


def test_stopped_worker_ends_the_processes_of_handlers(
    handler_file: HandlerFile, environ: dict[str, str]
) -> None:
    handler_file.register(
        """
        @on("sms_delivered")
        def slow(event):
            note(str(os.getpid()), event)
            time.sleep(30)
        """
    )
    report()
    with running_worker(environ) as worker:
        eventually(lambda: handler_file.notes, seconds=30)
        worker.terminate()
        worker.wait(15)
    process = int(handler_file.notes[0][0])
    eventually(lambda: not is_running(process))


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_events_behind_a_hanging_one_are_not_charged_for_it(handler_file: HandlerFile) -> None:
    """A claim that waited too long for a process is given back, and does not count as a try."""
    handler_file.register('@on("sms_delivered")\ndef good(event): note("good", event)')
    report()
    from hub.endpoints.targets import TargetCache
    from hub.handlers.calls import START_WITHIN, HandlerCaller

    free = {handler("good").row.id: 1}
    [claim] = claims.record_and_claim([], free, TargetCache())
    with time_machine.travel(now() + timedelta(seconds=START_WITHIN + 1), tick=True):
        caller = HandlerCaller()
        outcome = caller.call(claim)
        caller.close()
        claims.record_and_claim([outcome], {}, TargetCache())
        [delivery] = deliveries_to("good")
        assert (delivery.state, delivery.tries) == ("pending", 0)
        assert run_due() == 1
    assert [attempt for _, _, attempt in handler_file.notes] == [2]
    assert states_of("good") == ["delivered"]


# ── Commands ──────────────────────────────────────────────────────────────────────────────────────
def test_commands_list_handlers_and_try_one(
    handler_file: HandlerFile, environ: dict[str, str]
) -> None:
    handler_file.write(
        """
        @on("opted_*", "sms_delivered", "whatsapp_*")
        def show(event):
            '''Show what happened.'''
            print("got", event.type, event.data["address"])

        @on("sms_*")
        def failing(event): raise ValueError(event.data["address"])
        """
    )

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run_forked(handler_file.path.parent.parent / "data", *arguments, **environ)

    listed = command("handlers")
    assert listed.returncode == 0, listed.stderr
    assert "hooks:show  opted_* sms_delivered whatsapp_*" in listed.stdout
    assert "Show what happened." in listed.stdout
    assert "not active yet" in listed.stdout
    tried = command("handlers", "try", "show", "--event", "sms_delivered")
    assert (tried.returncode, tried.stderr) == (0, "got sms_delivered +13175551234\n")
    assert "hooks:show received sms_delivered." in tried.stdout
    assert "It returned after" in tried.stdout
    assert "Note:" not in tried.stdout
    other = command("handlers", "try", "show", "--event", "sms_failed")
    assert other.returncode == 0
    assert "it does not receive events of this type" in other.stdout
    failed = command("handlers", "try", "hooks:failing")
    assert failed.returncode == 1
    assert "ValueError: +13175551234" in failed.stdout
    assert "in failing" in failed.stdout
    for arguments, reason in (
        (("nobody",), "No handler is named “nobody”."),
        (("show", "--event", "sms_deliverd"), "No event is named “sms_deliverd”."),
    ):
        refused = command("handlers", "try", *arguments)
        assert refused.returncode == 1
        assert reason in refused.stderr
    assert deliveries_count() == 0


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("body", "printed"),
    [
        ("print('a line')", "a line\n"),
        ("print('without its end', end='')", "without its end"),
        ("sys.stderr.write('an error')", "an error"),
        ("print('before'); raise ValueError", "before\n"),
        ("print('before'); os._exit(1)", "before\n"),
        ("print('x' * 100_000)", "x" * 100_000 + "\n"),
        ("print('hidden'); sys.stdout = None", "hidden\n"),
    ],
)
def test_what_a_handler_prints_is_shown(
    handler_file: HandlerFile,
    monkeypatch: pytest.MonkeyPatch,
    body: str,
    printed: str,
    unbuffered: str,
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    handler_file.write(f"""
@on("sms_sent")
def show(event):
    {body}
""")
    with handler_file.path.with_name("printed").open("w+") as output:
        trial.try_handler("show", "sms_sent", output=output.fileno())
        output.seek(0)
        assert output.read() == printed


def deliveries_count() -> int:
    from hub.models import WebhookDelivery
    from tests.hub_fixtures import count

    return int(count(WebhookDelivery))


def test_command_reports_a_broken_file(handler_file: HandlerFile, environ: dict[str, str]) -> None:
    handler_file.write("import no_such_module")
    listed = run_in_process(environ, "handlers")
    assert listed.returncode == 1
    assert "hooks.py could not be loaded. ModuleNotFoundError" in listed.stdout


def test_list_uses_the_words_of_the_page(
    handler_file: HandlerFile, environ: dict[str, str]
) -> None:
    handler_file.register('@on("sms_sent")\ndef fresh(event): pass')
    report("sms_sent")
    listed = run_in_process(environ, "handlers")
    assert "    No events yet, 1 pending, 0 failed\n" in listed.stdout


def test_command_that_is_stopped_names_the_limit_only(
    handler_file: HandlerFile, environ: dict[str, str]
) -> None:
    handler_file.write('@on("sms_sent")\ndef endless(event):\n    while True: pass')
    data_folder = handler_file.path.parent.parent / "data"
    limited = {**environ, "HUB_HANDLER_SECONDS": "1"}
    tried = run_command(data_folder, "handlers", "try", "endless", **limited)
    assert tried.returncode == 1
    assert "It failed.\nStopped after 1 seconds.\n" in tried.stdout


def test_command_prints_errors_with_any_characters(
    handler_file: HandlerFile, environ: dict[str, str]
) -> None:
    text = "half \ud800, nothing \0, escape \x1b[31m, line\nbreak, direction \u202e, Zoë"
    handler_file.write(
        f"""
        TEXT = {text!a}

        @on("sms_sent")
        def failing(event):
            '''Shows \\x1b[31m \\ud800.'''
            raise ValueError(TEXT)
        """
    )
    data_folder = handler_file.path.parent.parent / "data"
    tried = run_command(data_folder, "handlers", "try", "failing", **environ)
    assert tried.returncode == 1
    assert "Traceback" not in tried.stderr
    listed = run_in_process(environ, "handlers")
    assert listed.returncode == 0
    for output in (tried.stdout, listed.stdout):
        assert "failing" in output
        assert not set("\0\x1b\u202e\ud800") & set(output)
    assert "Zoë" in tried.stdout


def test_worker_registers_handlers_when_it_starts(
    handler_file: HandlerFile, environ: dict[str, str]
) -> None:
    handler_file.write('@on("sms_delivered")\ndef good(event): note("good", event)')
    with subprocess.Popen(
        [sys.executable, "-m", "hub.cli", "worker", "notify"],
        env={**os.environ, **environ},
        stderr=subprocess.PIPE,
    ) as worker:
        try:
            eventually(lambda: [one for one in _functions() if one == "good"], seconds=30)
            time.sleep(1.1)  # until this process reads the handlers again
            report()
            eventually(lambda: handler_file.notes, seconds=20)
        finally:
            worker.terminate()
    assert handler_file.calls == [("good", "sms_delivered")]


def _functions() -> list[str]:
    from hub.db.engine import db
    from hub.handlers import handler_list

    db.session.rollback()
    return [one.function for one in handler_list.list_handlers()]
