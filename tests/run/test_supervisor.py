"""The supervisor with real processes, itself in a separate process as in `hub up`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

SLEEPS = "import time; time.sleep(600)"
# what a program sets to show that nothing waits for the time limits: they never come
NO_LIMITS = """
        from hub.run import supervisor
        supervisor.STOP_NEEDED_AFTER = supervisor.KILL_AFTER = supervisor.GIVE_UP_AFTER = 600
"""
# leaves its session and its parent, and refuses to end: what a queue worker's child may look like
# at its worst
STUBBORN_GRANDCHILD = """
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open(sys.argv[1], "w").write(str(os.getpid()))
    time.sleep(60)
time.sleep(60)
"""


class SupervisorProcess:
    """A supervisor in a separate process, with its output in a file."""

    def __init__(self, folder: Path, program: str) -> None:
        self.printed = folder / "printed"
        program = "import sys\nfrom hub.run.supervisor import Child, run\n" + textwrap.dedent(
            program
        )
        with self.printed.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-u", "-c", program],
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self.printed.read_text()

    def wait_for(self, *texts: str, seconds: float = 60) -> None:
        wait_until(
            lambda: all(text in self.text for text in texts) or self.process.poll() is not None,
            seconds,
        )
        assert all(text in self.text for text in texts), self.text

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def interrupt(self) -> None:
        """Send the signal of Ctrl-C and wait until the process has ended."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)


Start = Callable[[str], SupervisorProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[SupervisorProcess] = []

    def start(program: str) -> SupervisorProcess:
        started.append(SupervisorProcess(tmp_path, program))
        return started[-1]

    yield start
    for supervised in started:
        if supervised.process.poll() is None:
            with suppress(psutil.NoSuchProcess):  # they end one another
                for process in [*supervised.children(), supervised.process]:
                    process.kill()
            supervised.process.kill()
            supervised.process.wait()


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)


def has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def python_argv(code: str, *arguments: str) -> str:
    return repr([sys.executable, "-u", "-c", code, *arguments])


def test_output_of_a_child_is_prefixed_with_its_name(start: Start) -> None:
    supervised = start(f"""
        web = Child("web", {python_argv("print('listening'); " + SLEEPS)})
        run([web, Child("worker", {python_argv(SLEEPS)})])
    """)
    supervised.wait_for("web    │ listening")
    assert "\x1b" not in supervised.text, "a file gets no colors"


def test_exited_child_is_restarted(start: Start, tmp_path: Path) -> None:
    dies_once = (
        f"import pathlib, sys, time; p = pathlib.Path({str(tmp_path / 'was-here')!r}); "
        + "print('second life') if p.exists() else (p.touch(), sys.exit(3)); time.sleep(60)"
    )
    supervised = start(f"""run([Child("worker", {python_argv(dies_once)})])""")
    supervised.wait_for("worker ended: exit code 3. Restarting in 0.25 s.", "worker │ second life")


def test_child_killed_by_a_signal_is_restarted(start: Start) -> None:
    supervised = start(f"""run([Child("worker", {python_argv("print('life'); " + SLEEPS)})])""")
    supervised.wait_for("life")
    supervised.children()[0].kill()
    supervised.wait_for("worker ended: signal SIGKILL.")
    wait_until(lambda: supervised.text.count("life") == 2)
    assert supervised.text.count("life") == 2


def test_five_exits_before_readiness_stop_everything_with_one_message(start: Start) -> None:
    fails = "print('no such table', flush=True); raise SystemExit(3)"
    supervised = start(f"""
        from hub.run import supervisor
        supervisor.FIRST_PAUSE = 0.01
        web = Child("web", {python_argv(SLEEPS)}, ready=lambda: False)
        sys.exit(run([web, Child("cron", {python_argv(fails)})]))
    """)
    supervised.wait_for(
        "hub  │ cron ended 5 times within 30 seconds before Signpost was ready, so Signpost stops."
    )
    assert supervised.process.wait(60) == 1
    assert supervised.text.count("cron │ no such table") == 5


def test_after_readiness_repeated_exits_of_a_child_stop_no_other(start: Start) -> None:
    fails = "print('no such queue', flush=True); raise SystemExit(3)"
    supervised = start(f"""
        from hub.run import supervisor
        supervisor.FIRST_PAUSE, supervisor.MAX_PAUSE = 0.01, 0.1
        run([Child("web", {python_argv(SLEEPS)}), Child("worker", {python_argv(fails)})])
    """)
    wait_until(
        lambda: (
            supervised.text.count("worker │ no such queue") > 7
            or supervised.process.poll() is not None
        )
    )
    assert supervised.process.poll() is None, supervised.text
    assert "Restarting in 0.1 s." in supervised.text, "the pauses grow no longer"
    supervised.interrupt()


def test_ctrl_c_stops_even_a_stubborn_process_in_another_session(
    start: Start, tmp_path: Path
) -> None:
    note = tmp_path / "pid"
    deaf = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); "
        + SLEEPS
    )
    supervised = start(f"""
        worker = Child("worker", {python_argv(STUBBORN_GRANDCHILD, str(note))})
        run([worker, Child("deaf", {python_argv(deaf)})])
    """)
    wait_until(lambda: note.exists() and note.read_text() != "")
    supervised.wait_for("│ deaf")
    pids = [int(note.read_text()), *(process.pid for process in supervised.children())]
    assert len(pids) > 2
    supervised.interrupt()
    assert supervised.process.returncode == 0
    assert all(has_ended(pid) for pid in pids)


def test_orphan_in_another_session_is_stopped(start: Start, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    # the child ends, only the grandchild stays
    leaves = STUBBORN_GRANDCHILD.rsplit("time.sleep", 1)[0]
    child = python_argv(leaves, str(note))
    supervised = start(f"""run([Child("worker", {child}), Child("web", {python_argv(SLEEPS)})])""")
    wait_until(lambda: note.exists() and note.read_text() != "")
    supervised.interrupt()
    assert has_ended(int(note.read_text()))


def test_children_that_stop_in_time_are_not_waited_for(start: Start) -> None:
    supervised = start(f"""{NO_LIMITS}
        children = [Child("web", {python_argv(SLEEPS)}), Child("worker", {python_argv(SLEEPS)})]
        run(children, on_ready=lambda: print("READY", flush=True))
    """)
    supervised.wait_for("READY")
    supervised.interrupt()


def test_second_ctrl_c_stops_at_once(start: Start) -> None:
    deaf = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); "
        + SLEEPS
    )
    supervised = start(f"""{NO_LIMITS}
        run([Child("worker", {python_argv(deaf)})])""")
    supervised.wait_for("│ deaf")
    supervised.process.send_signal(signal.SIGINT)
    time.sleep(0.7)  # two signals within half a second are one wish
    supervised.interrupt()


def test_two_signals_of_one_request_still_stop_in_order(start: Start) -> None:
    tidy = (
        "import signal, sys, time\ndef end(*_): time.sleep(0.5); print('tidied up', flush=True);"
        " sys.exit()\n"
        + "signal.signal(signal.SIGTERM, end); print('set', flush=True); time.sleep(60)"
    )
    supervised = start(f"""run([Child("worker", {python_argv(tidy)})])""")
    supervised.wait_for("│ set")
    supervised.process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    supervised.interrupt()
    assert "tidied up" in supervised.text


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells children that their parent died"
)
def test_killed_supervisor_leaves_no_process(start: Start) -> None:
    speaks = "print('up', flush=True); " + SLEEPS
    supervised = start(
        f"""run([Child("web", {python_argv(speaks)}), Child("worker", {python_argv(SLEEPS)})])"""
    )
    supervised.wait_for("│ up")
    pids = [process.pid for process in supervised.children()]
    assert len(pids) == 2
    supervised.process.kill()
    supervised.process.wait()
    wait_until(lambda: all(has_ended(pid) for pid in pids))
    assert all(has_ended(pid) for pid in pids)


def test_dependencies_start_first_and_stop_last(start: Start) -> None:
    tells = (
        "import signal, sys, time\ndef end(*_): print(sys.argv[1], 'ends', flush=True);"
        " sys.exit()\n"
        + "signal.signal(signal.SIGTERM, end); print(sys.argv[1], 'starts', flush=True);"
        " time.sleep(60)"
    )
    supervised = start(f"""
        import time
        began = time.monotonic()
        after = lambda seconds: lambda: time.monotonic() - began > seconds
        run([Child("worker", {python_argv(tells, "worker")}, ready=after(1.5)),
             Child("queue", {python_argv(tells, "queue")}, needed=True, ready=after(1))],
            on_ready=lambda: print("READY", flush=True))
    """)
    supervised.wait_for("READY", "worker starts")
    supervised.interrupt()
    order = ["queue starts", "worker starts", "worker ends", "queue ends"]
    assert sorted(order, key=supervised.text.index) == order


def test_children_that_do_not_become_ready_are_named(start: Start) -> None:
    supervised = start(f"""
        from hub.core.errors import HubError
        try:
            web = Child("web", {python_argv(SLEEPS)}, ready=lambda: False)
            run([web, Child("cron", {python_argv(SLEEPS)})], ready_within=1)
        except HubError as error:
            print(error)
            sys.exit(1)
    """)
    assert supervised.process.wait(60) == 1
    assert "Not ready after 1 seconds: web." in supervised.text


def test_output_of_a_quiet_child_is_shown_only_when_it_exits(start: Start, tmp_path: Path) -> None:
    written = tmp_path / "written"
    may_end = tmp_path / "may-end"
    complains = (
        "import pathlib, sys, time; print('warning: whatever', flush=True); "
        "pathlib.Path(sys.argv[1]).touch()\n"
        "while not pathlib.Path(sys.argv[2]).exists(): time.sleep(0.02)"
    )
    child = python_argv(complains, str(written), str(may_end))
    supervised = start(f"""run([Child("queue", {child}, quiet=True)])""")
    wait_until(written.exists)
    time.sleep(0.2)  # for the supervisor to have read it
    assert "whatever" not in supervised.text
    may_end.touch()
    supervised.wait_for("queue │ warning: whatever", "queue ended: exit code 0.")


def test_closed_terminal_does_not_prevent_stopping(tmp_path: Path) -> None:
    prints = python_argv("import time\nwhile True: print(1, flush=True); time.sleep(0.01)")
    program = f"from hub.run.supervisor import Child, run; run([Child('web', {prints})])"
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", program],
        stdout=writer,
        stderr=subprocess.DEVNULL,
        # the signal may be ignored where the tests run, as under nohup
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    os.close(writer)
    os.read(reader, 100)
    child = psutil.Process(process.pid).children()[0].pid
    os.close(reader)
    time.sleep(0.3)  # for the supervisor to notice that no one reads
    process.send_signal(signal.SIGHUP)
    process.wait(60)
    assert has_ended(child)
