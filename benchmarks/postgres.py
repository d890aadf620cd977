"""A PostgreSQL server for one run, durable as in production, unlike the server of tests."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import psycopg

from benchmarks.running import ROOT, Unmeasured

# bin/with-postgres switches these off, since a test's cluster need not survive a power cut
DURABLE = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": "256MB",
}


@cache
def load_program() -> ModuleType:
    """Return bin/with-postgres as a module."""
    loader = SourceFileLoader("with_postgres", str(ROOT / "bin" / "with-postgres"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True  # nothing is left beside the program
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    module.QUICK.update(DURABLE)
    return module


@contextmanager
def run_server() -> Iterator[str]:
    """Run a server; gives the address of its first database.

    Raises Unmeasured where there is none.
    """
    folder = load_program().find()
    if folder is None:
        raise Unmeasured(
            "PostgreSQL's programs were not found (Debian: apt-get install postgresql)"
        )
    place = Path(tempfile.mkdtemp(prefix="hub-bench-postgres-"))
    process = None
    try:
        process, url = load_program().start(folder, place)
        yield url
    finally:
        if process:
            load_program().stop(process)
        shutil.rmtree(place, ignore_errors=True)


def create_database(url: str, name: str) -> str:
    """Create an empty database and return its address."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return url.rpartition("/")[0] + f"/{name}"
