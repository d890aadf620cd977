"""Create a new integration: a module that works, with its test, from the templates of
`integrations/_new/`.

In a checkout it writes those two files. As a package it also writes the project file, which names
the integration in the entry-point group that the registry reads.
"""

from __future__ import annotations

import ast
import keyword
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from string import Template

from hub import integrations
from hub.core.errors import Conflict, NotFound, Refused
from hub.core.vocabulary import Channel

TEMPLATES = Path(integrations.__file__).parent / "_new"
# kinds of integrations, each with a module and a test of its own
KINDS = ("team", "webhook-url", "people", "sms")
LONGEST = 30  # characters of a name: what is made of it still fits its lines
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
SUCH_AS = (
    "Use lowercase letters, digits and single underscores between words, and begin with a"
    " letter, such as acme_chat."
)


@dataclass(frozen=True)
class Scaffold:
    """The files that were written for an integration, their folder, and its title."""

    folder: Path
    files: tuple[Path, ...]
    title: str


def create(name: str, folder: Path | None, kind: str) -> Scaffold:
    """Write an integration as a package in a folder, or into the current checkout without one."""
    if folder is not None:
        return in_package(name, folder, kind)
    return in_checkout(name, Path.cwd(), kind)


def in_checkout(name: str, here: Path, kind: str = "team") -> Scaffold:
    """Write an integration's module and its test into the checkout that holds `here`.

    `kind` is one of KINDS.

    Raises Refused where the name will not do, NotFound where there is no checkout, Conflict where a
    file is there already.
    """
    _check(name, kind)
    root = _checkout(here)
    if (where := _said_in(root, name)) is not None:
        raise Conflict(
            "word_in_use",
            f"The word “{name}” occurs in {where.relative_to(root)}, but only the"
            " integration’s own module may contain it (tests/test_architecture.py checks"
            f" this). Choose another name, such as {name}_chat.",
        )
    words = _words(
        name, module=f"hub.integrations.{name}", http_recorder="tests.integrations.http_recorder"
    )
    return _write(
        root,
        words,
        {
            f"hub/integrations/{name}.py": _template(kind, "module"),
            f"tests/integrations/test_{name}.py": _template(kind, "test"),
        },
    )


def in_package(name: str, folder: Path, kind: str = "team") -> Scaffold:
    """Write a package with an integration: project file, module, test and README.

    `kind` is one of KINDS.

    Raises Refused where the name will not do, Conflict where a file is there already.
    """
    _check(name, kind)
    package = f"hub_{name}"
    words = _words(name, module=f"{package}.{name}", http_recorder="http_recorder") | {
        "package": package,
        "dist": package.replace("_", "-"),
    }
    return _write(
        folder,
        words,
        {
            "pyproject.toml": "pyproject",
            "README.md": "readme",
            f"{package}/__init__.py": "init",
            f"{package}/{name}.py": _template(kind, "module"),
            f"tests/test_{name}.py": _template(kind, "test"),
            "tests/http_recorder.py": "http_recorder",
        },
    )


# ── The name ──────────────────────────────────────────────────────────────────────────────────────
def _template(kind: str, what: str) -> str:
    return f"{kind.replace('-', '_')}_{what}"


def _check(name: str, kind: str) -> None:
    """Refuse a name that no integration may have, wherever it lives."""
    if name.startswith("_"):
        raise Refused(
            "bad_name",
            f"{name} begins with an underscore, which is reserved for shared modules."
            " Choose a name without it.",
        )
    if not NAME.fullmatch(name):
        raise Refused("bad_name", f"“{name}” is not a module name. {SUCH_AS}")
    if len(name) > LONGEST:
        raise Refused(
            "bad_name", f"{name} has {len(name)} characters. Choose a name of at most {LONGEST}."
        )
    if keyword.iskeyword(name):
        raise Refused(
            "bad_name",
            f"{name} is a reserved word in Python. Choose another name, such as {name}_chat.",
        )
    if name in list(Channel):
        raise Refused(
            "bad_name",
            f"{name} is a channel that many integrations can use. Use the product’s name,"
            f" such as acme_{name}.",
        )
    if (known := integrations.registry().get(name)) is not None:
        raise Conflict(
            "name_taken",
            f"An integration named {name} already exists in {known.__module__}. Choose"
            " another name.",
        )
    words = _words(name, module="", http_recorder="")
    if _bound(TEMPLATES / f"{_template(kind, 'module')}.txt", words)[words["class_name"]] > 1:
        why = (
            f"A class {words['class_name']} would hide a name that integrations import."
            f" Choose another name, such as {name}_chat."
        )
        raise Refused("bad_name", why)


def _bound(template: Path, words: dict[str, str]) -> Counter[str]:
    """Count what a module's text imports and defines, by name."""
    found: Counter[str] = Counter()
    for node in ast.parse(Template(template.read_text()).substitute(words)).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            found[node.name] += 1
    return found


def _words(name: str, *, module: str, http_recorder: str) -> dict[str, str]:
    """Return what stands for what in the templates."""
    title = " ".join(word.capitalize() for word in name.split("_"))
    api = name.replace("_", "")  # as the names of settings are, see config.API_URL
    return {
        "name": name,
        "title": title,
        "class_name": title.replace(" ", ""),
        "host": name.replace("_", "-"),
        "prefix": re.sub("[^a-z]", "", name),
        "api": api,
        "api_upper": api.upper(),
        "module": module,
        "http_recorder": http_recorder,
    }


# ── The checkout ──────────────────────────────────────────────────────────────────────────────────
def _checkout(here: Path) -> Path:
    """Return the root of the checkout that a folder lies in."""
    for folder in (here, *here.parents):
        if (folder / "hub/integrations/base.py").is_file() and (
            folder / "tests/integrations"
        ).is_dir():
            return folder
    raise NotFound(
        "no_checkout",
        f"{here} is not in a checkout of Signpost. Change into one, or create a separate"
        " package with --package FOLDER.",
    )


def _said_in(root: Path, name: str) -> Path | None:
    """Return a file of the core in which a name stands as a word; None when there is none."""
    word = re.compile(rf"\b{name}\b")
    return next((path for path in _core(root / "hub") if word.search(path.read_text())), None)


def _core(hub: Path) -> Iterator[Path]:
    own = (hub / "integrations", hub / "simulator", hub / "templates/simulator")
    for path in (*sorted(hub.rglob("*.py")), *sorted((hub / "templates").rglob("*.*"))):
        if not any(folder in path.parents for folder in own):
            yield path


# ── The files ─────────────────────────────────────────────────────────────────────────────────────
def _write(folder: Path, words: dict[str, str], wanted: dict[str, str]) -> Scaffold:
    """Write files by their templates' names: all, or none where one exists already."""
    paths = {folder / path: template for path, template in wanted.items()}
    for path in paths:
        if path.exists():
            raise Conflict(
                "file_exists",
                f"{path} already exists and is not overwritten. Choose another name, or"
                " move the file.",
            )
    for path, template in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x") as file:
            file.write(Template((TEMPLATES / f"{template}.txt").read_text()).substitute(words))
    _format(paths)
    return Scaffold(folder, tuple(paths), words["title"])


def _format(paths: Iterable[Path]) -> None:
    """Lay out new modules with ruff, where it is installed: names of any length fit then."""
    modules = [str(path) for path in paths if path.suffix == ".py"]
    if find_spec("ruff") is not None:
        ruff = [sys.executable, "-m", "ruff"]
        subprocess.run([*ruff, "check", "--quiet", "--fix", "--select", "I", *modules], check=True)
        subprocess.run([*ruff, "format", "--quiet", *modules], check=True)
