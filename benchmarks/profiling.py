"""Profile a hot path: `python -m benchmarks profile receiving|accepting|sending [COUNT]`.

Its own hub is prepared as for a measurement; the path then runs in one process under cProfile,
which counts the processor's time of each thread, so that waiting for the provider, the disk or the
interpreter's lock is not in it. Profiling itself makes calls dearer: look at shares, not at sums;
the line at the end says what a piece of work costs without it.
"""

from __future__ import annotations

import cProfile
import io
import json
import os
import pstats
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks import posts
from benchmarks.hubs import Hub
from benchmarks.provider import Provider
from benchmarks.running import ROOT, Crew, clean_environ, python_command

COUNTS = {"receiving": 3000, "accepting": 1000, "sending": 3000}
LINES = 40


def main(arguments: list[str], *, single_steps: bool) -> int:
    """Prepare a hub and run the path in a process with its settings."""
    if not arguments or arguments[0] not in COUNTS or len(arguments) > 2:
        print(f"Give a path to profile: {', '.join(COUNTS)}.", file=sys.stderr)
        return 2
    path = arguments[0]
    count = int(arguments[1]) if len(arguments) > 1 else COUNTS[path]
    return run_in_hub("benchmarks.profiling", path, count, single_steps=single_steps)


def run_in_hub(module: str, path: str, count: int, *, single_steps: bool = False) -> int:
    """Prepare a hub with work for `path`, and run a module in a process with its settings."""
    with tempfile.TemporaryDirectory(prefix="hub-profile-") as name, Crew(Path(name)) as crew:
        provider = Provider(crew, 100)
        hub = Hub(crew, provider.url)
        if single_steps:
            hub.run_module("benchmarks.single_steps")
        hub.start_queue()
        file = Path(name) / "requests"
        if path == "sending":
            hub.fill("queued", 3 * count)
        elif path == "receiving":
            posts.write_requests(file, posts.build_unknown_callbacks(hub, 3 * count))
        else:
            posts.write_requests(file, (posts.build_event(hub)[1] for _ in range(3 * count)))
        arguments = json.dumps({"path": path, "count": count, "file": str(file)})
        return subprocess.call(
            python_command(module, arguments), cwd=ROOT, env=clean_environ(hub.environ)
        )


# ── In the hub's process ──────────────────────────────────────────────────────────────────────────
def print_profile(path: str, count: int, file: str) -> None:
    """Profile a path and print where its time goes."""
    work = (
        _create_sending_work(count)
        if path == "sending"
        else create_requests_work(Path(file), count)
    )
    work()  # what is made once is made now
    used = time.process_time()
    work()
    each = (time.process_time() - used) / count * 1000
    profiles: list[cProfile.Profile] = []
    _profile_threads(profiles)
    own_profile = cProfile.Profile(time.thread_time)
    profiles.append(own_profile)
    own_profile.enable()
    work()
    own_profile.disable()
    out = io.StringIO()
    stats = pstats.Stats(profiles[0], stream=out)
    for other_profile in profiles[1:]:
        stats.add(other_profile)
    for order in ("cumulative", "tottime"):
        stats.strip_dirs().sort_stats(order).print_stats(LINES)
    print(out.getvalue())
    print(
        f"{path}: {each:.3f} ms of the processor each, without the profiler, all threads ({count}"
        " of them)."
    )


def _profile_threads(profiles: list[cProfile.Profile]) -> None:
    """Profile every thread that starts from now on."""
    if sys.version_info >= (3, 12):
        print(
            "From Python 3.12 on one profiler runs at a time: only the main thread is in the"
            " profile.",
            file=sys.stderr,
        )
        return
    plain = threading.Thread.run

    def run(thread: threading.Thread) -> None:
        profile = cProfile.Profile(time.thread_time)
        profiles.append(profile)
        profile.runcall(plain, thread)

    threading.Thread.run = run  # type: ignore[method-assign]


def create_requests_work(file: Path, count: int) -> Any:
    """Return the work of answering requests in this process, through the WSGI application alone."""
    from hub import create_app
    from hub.core import config

    app = create_app(config.load())
    requests = iter(posts.read_requests(file))

    def work() -> None:
        for _ in range(count):
            request = next(requests, None)
            assert request is not None, "the requests ran out"
            statuses: list[str] = []
            answer = app.wsgi_app(
                _environ(request), lambda status, _, __=None, said=statuses: said.append(status)
            )
            b"".join(answer)
            getattr(answer, "close", lambda: None)()
            assert statuses[0].startswith("2"), statuses[0]

    return work


def _environ(request: bytes) -> dict[str, Any]:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, target, protocol = first.split(" ")
    path, _, query = target.partition("?")
    headers = {
        name.upper().replace("-", "_"): value
        for name, value in (line.split(": ", 1) for line in lines)
    }
    kind = headers.pop("CONTENT_TYPE")
    length = headers.pop("CONTENT_LENGTH")
    host = headers["HOST"]
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "RAW_URI": target,
        "SERVER_PROTOCOL": protocol,
        "SERVER_NAME": host.partition(":")[0],
        "SERVER_PORT": host.partition(":")[2],
        "CONTENT_TYPE": kind,
        "CONTENT_LENGTH": length,
        **{f"HTTP_{name}": value for name, value in headers.items()},
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


def _create_sending_work(count: int) -> Any:
    """Return the work of sending messages: the worker's own job, stopped once enough are sent."""
    from sqlalchemy import func, select

    from hub import create_app
    from hub.db.engine import db
    from hub.jobs import deliver
    from hub.models import Attempt

    def sent() -> int:
        with app.app_context():
            return db.session.scalar(select(func.count()).select_from(Attempt)) or 0

    app = create_app(blueprints=False)
    goal = 0

    def work() -> None:
        nonlocal goal
        goal += count * 2 // 3  # three times the work is as much as was filled in
        threading.Thread(target=watch, daemon=True).start()
        with app.app_context():
            deliver.run()

    def watch() -> None:
        while sent() < goal:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)  # as the worker asks its job to end

    return work


if __name__ == "__main__":
    print_profile(**json.loads(sys.argv[1]))
