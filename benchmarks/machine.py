"""Describe the machine of a measurement: hardware, versions, and time to make a write durable."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

CORES = 2
PACKAGES = (
    "flask",
    "gunicorn",
    "sqlalchemy",
    "psycopg",
    "redis",
    "rq",
    "twilio",
    "urllib3",
    "cryptography",
    "celery",
    "apprise",
)


def use_two_cores() -> None:
    """Keep this process and its children on two cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


def count_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_machine(folder: Path) -> list[str]:
    """Return lines that describe the machine and its versions."""
    memory = psutil.virtual_memory().total / 2**30
    packages = []
    for name in PACKAGES:
        try:
            packages.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return [
        (
            f"Machine: {_read_processor()}, {count_cores()} of {os.cpu_count()} cores used by"
            f" everything together, {memory:.0f} GiB; {platform.system()} {platform.release()};"
            f" fdatasync {measure_sync_milliseconds(folder):.2f} ms (median); load before:"
            f" {_read_load()}."
        ),
        (
            f"Versions: Python {platform.python_version()}, {', '.join(packages)}; SQLite"
            f" {sqlite3.sqlite_version}, {', '.join(map(_read_version, _COMMANDS))}."
            f" Signpost at {_read_commit()}."
        ),
    ]


def measure_sync_milliseconds(folder: Path) -> float:
    """Return the median time in which the disk of a folder stores a page."""
    took = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(100):
            file.write(b"x" * 4096)
            file.flush()
            began = time.perf_counter()
            getattr(os, "fdatasync", os.fsync)(file.fileno())
            took.append(time.perf_counter() - began)
    return sorted(took)[len(took) // 2] * 1000


def _read_processor() -> str:
    try:
        match = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        match = None
    return match[1] if match else platform.processor() or platform.machine()


def _read_load() -> str:
    return f"{os.getloadavg()[0]:.2f}"


def _read_version(name: str) -> str:
    """Return the version that a server reports."""
    try:
        command = _COMMANDS[name]()
        process = subprocess.run([*command], capture_output=True, text=True, check=False)
    except (OSError, LookupError):
        return f"no {name}"
    match = re.search(r"\d+(\.\d+)+", process.stdout + process.stderr)
    return f"{name} {match[0]}" if match else f"no {name}"


def _valkey_command() -> list[str]:
    from hub.run import queue_server

    return [str(queue_server.find_binary()), "--version"]


def _postgres_command() -> list[str]:
    from benchmarks import postgres

    folder = postgres.load_program().find()
    if folder is None:
        raise LookupError
    return [str(folder / "postgres"), "--version"]


def _wrk_command() -> list[str]:
    return [shutil.which("wrk") or "wrk", "--version"]


_COMMANDS = {"valkey": _valkey_command, "postgres": _postgres_command, "wrk": _wrk_command}


def _read_commit() -> str:
    process = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    changed = subprocess.run(
        ["git", "status", "--porcelain", "hub"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return (process.stdout.strip() or "an unknown commit") + (
        ", with changes that are not committed" if changed else ""
    )
