"""A handler that hangs, eats memory or ends its process ends alone."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import time_machine

from hub.db.types import now
from hub.handlers.child_process import HandlerProcess, Limits
from hub.handlers.sources import HandlerSource
from tests.conftest import wait_until
from tests.endpoints.receivers import report
from tests.handlers.handler_steps import HandlerFile, attempts_of, handler, run_due, states_of

pytestmark = pytest.mark.usefixtures("hub_demo")
MARK = "MARK_OF_TEST"  # a variable of the environment

GOOD = """
LARGE = "x = bytearray(b'x' * 300_000_000); import time; time.sleep(60)"

@on("sms_delivered")
def good(event): note("good", event)
"""


@pytest.fixture(autouse=True)
def _mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Mark the environment of handlers, which the programs that they start inherit."""
    monkeypatch.setenv(MARK, str(tmp_path))


def find_processes() -> list[psutil.Process]:
    """Return the running processes of this test's handlers, and the programs that they started."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it ended, or belongs to another user
            if process.environ().get(MARK) == os.environ[MARK]:
                found.append(process)
    return found


def wait_until_ended() -> None:
    """Wait for the end of all processes: the system ends a killed program a little later."""
    wait_until(lambda: not find_processes())


def test_processes_of_handlers_and_their_programs_are_found(handler_file: HandlerFile) -> None:
    handler_file.write('import subprocess\nsubprocess.Popen(["sleep", "1000"])')
    source = HandlerSource(handler_file.path.name, str(handler_file.path), True)
    process = HandlerProcess(source, Limits(30, 10**9))
    try:
        assert process.load([]).failure is None
        found = {one.pid: one.name() for one in find_processes()}
        assert len(found) == 2
        assert "sleep" in found.values()
    finally:
        process.stop()
    wait_until_ended()


def test_endless_loop_is_stopped_and_named(handler_file: HandlerFile) -> None:
    handler_file.register(
        GOOD
        + """
@on("sms_delivered")
def endless(event):
    spin()

def spin():
    while True:
        pass
"""
    )
    report()
    run_due()
    [attempt] = attempts_of("endless")
    assert attempt.problem == "Stopped after 2 seconds."
    assert handler("endless").problem == attempt.problem
    assert states_of("endless") == ["pending"]
    assert states_of("good") == ["delivered"]
    wait_until_ended()


def test_page_names_where_a_stopped_handler_was(handler_file: HandlerFile) -> None:
    handler_file.register(
        """
        @on("sms_delivered")
        def asleep(event):
            rest()

        def rest():
            time.sleep(1000)
        """
    )
    report()
    run_due()
    from hub.endpoints.deliveries import read_response

    lines = read_response(attempts_of("asleep")[0]).splitlines()
    assert [line.rpartition(" in ")[2] for line in lines] == ["asleep", "rest"]


@pytest.mark.parametrize(
    "body",
    [
        "blocks = []\n    while True: blocks.append(os.urandom(10**6))",
        "blocks = []\n    while True: blocks.append(bytearray(10**8))",
        "text = 'x'\n    while True: text += text",
        "import subprocess\n    subprocess.run([sys.executable, '-c', LARGE])",
    ],
)
def test_handler_that_eats_memory_is_stopped(handler_file: HandlerFile, body: str) -> None:
    handler_file.register(GOOD + f'\n@on("sms_delivered")\ndef greedy(event):\n    {body}\n')
    report()
    run_due()
    [attempt] = attempts_of("greedy")
    assert attempt.problem.startswith(
        ("Stopped because it used more than 100 MB of memory", "MemoryError")
    )
    assert states_of("good") == ["delivered"]
    wait_until_ended()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("os._exit(3)", "Its process ended with status 3."),
        ("os._exit(0)", "Its process ended with status 0."),
        ("os.kill(os.getpid(), 9)", "Its process was ended by signal 9."),
        ("sys.exit(1)", "SystemExit: 1"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("os.close(1); os.close(2); print(1, flush=True)", "OSError"),
        ("def f(): f()\n    f()", "RecursionError"),
        ("raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})", "Odd"),
    ],
)
def test_handler_that_ends_its_process_ends_alone(
    handler_file: HandlerFile, body: str, problem: str
) -> None:
    handler_file.register(GOOD + f'\n@on("sms_delivered")\ndef ending(event):\n    {body}\n')
    report()
    report()
    run_due()
    assert {attempt.problem.startswith(problem) for attempt in attempts_of("ending")} == {True}
    assert states_of("ending") == ["pending", "pending"]
    assert states_of("good") == ["delivered", "delivered"]
    wait_until_ended()


def test_threads_and_programs_of_a_handler_end_with_its_process(handler_file: HandlerFile) -> None:
    handler_file.register(
        """
        @on("sms_delivered")
        def busy(event):
            import subprocess
            for _ in range(20):
                threading.Thread(target=time.sleep, args=(1000,)).start()
            subprocess.Popen(["sleep", "1000"])
            note("busy", event)
        """
    )
    report()
    report()
    run_due()
    assert states_of("busy") == ["delivered", "delivered"]
    wait_until_ended()


@pytest.mark.parametrize(
    "ending", ["return", "raise SystemExit", "raise ValueError", "sys.exit(3)"]
)
def test_copy_of_the_process_never_responds_for_it(handler_file: HandlerFile, ending: str) -> None:
    """A handler that forks continues twice. Only the process that Signpost started counts."""
    handler_file.write(f"""
@on("sms_delivered")
def copying(event):
    if event.attempt == 2:
        time.sleep(1)
        raise ValueError("failed")
    if os.fork() == 0:
        time.sleep(0.5)
        {ending}
""")
    source = HandlerSource(handler_file.path.name, str(handler_file.path), is_file=True)
    process = HandlerProcess(source, Limits(30, 256 * 1024**2))
    payload = {
        "id": "pev_1",
        "type": "sms_delivered",
        "at": now().isoformat(),
        "source": None,
        "test": False,
    }
    try:
        assert process.load(["sms_delivered"]).failure is None
        assert process.run("hooks:copying", payload, 1).failure is None
        failure = process.run("hooks:copying", payload, 2).failure
        assert failure is not None
        assert (failure.problem, failure.message) == ("ValueError", "failed")
        wait_until(lambda: len(find_processes()) == 1)
    finally:
        process.stop()


def test_handler_cannot_read_the_keys_of_the_hub(
    handler_file: HandlerFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HUB_SECRET_KEY", "HUB_ENCRYPTION_KEYS_FILE", "HUB_DATABASE_URL"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("CRM_TOKEN", "own")
    handler_file.register(
        """
        @on("sms_delivered")
        def look(event):
            assert os.environ["CRM_TOKEN"] == "own"
            assert "secret" not in os.environ.values()
        """
    )
    report()
    run_due()
    assert states_of("look") == ["delivered"]


def test_process_ends_by_itself_if_its_worker_is_gone(handler_file: HandlerFile) -> None:
    """The alarm of the process holds when nobody watches it, so that no call outlasts its lease."""
    code = """
import os, sys, time
from hub.db.types import now
from hub.handlers.child_process import HandlerProcess, Limits
from hub.handlers.sources import HandlerSource
process = HandlerProcess(HandlerSource("hooks.py", sys.argv[1], True), Limits(1, 10**8))
process.load([])
print(process._process.pid, flush=True)
process.run("hooks:endless", {"id": "pev_1", "type": "sms_sent", "at": "2027-01-15T09:30:00Z",
    "source": None, "test": False}, 1)
"""
    handler_file.write('@on("*")\ndef endless(event):\n    while True: pass\n')
    command = [sys.executable, "-c", code, str(handler_file.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        process = psutil.Process(int(worker.stdout.readline()))
        time.sleep(0.3)
        os.kill(worker.pid, signal.SIGKILL)
    assert process.is_running()
    process.wait(timeout=10)


def test_event_is_retried_if_no_process_can_be_started(
    handler_file: HandlerFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler_file.register(GOOD)

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    report("sms_delivered")
    monkeypatch.setattr(subprocess, "Popen", fail)
    started = time.monotonic()
    assert run_due() == 1
    assert time.monotonic() - started < 20
    assert states_of("good") == ["pending"]
    assert handler("good").problem == "Signpost had an internal error (OSError)."
    monkeypatch.undo()
    with time_machine.travel(now() + timedelta(minutes=1), tick=True):
        assert run_due() == 1
    assert states_of("good") == ["delivered"]
