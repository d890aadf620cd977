"""Create a new integration from the templates of `integrations/_new/`: a module that works, its
error codes and its test.

In a checkout it writes those files. In a package it also writes the project file with the entry
point that the registry reads.
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
# each kind has its own templates of a module and a test
KINDS = ("team", "webhook-url", "people", "sms")
# the steps of an admin, for the README of a package
SETUPS = {
    "team": "creates a token, and enters it with the name of the channel that a team reads",
    "webhook-url": "creates an incoming webhook in a channel, and enters its URL",
    "people": "creates a bot, and enters its name, its token and its webhook secret",
    "sms": "creates an API key, and enters it with a number and the signing secret of webhooks",
}
# the fields of a token, and their imports: at the provider's server, and at one that an admin runs
HOSTED_FIELDS = """        token = SecretField(
            "Token",
            required=True,
            description="From **Tokens**. It is stored encrypted.",
            render_kw={"legend": "Account"},
        )"""
OWN_SERVER_FIELDS = """        server = ServerField(default="$server")
        token = TokenField(description="From **Tokens**, if the server asks for one.")"""
MAX_LENGTH = 30  # characters of a name, so that the lines of the templates are not too long
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
NAME_HINT = (
    "Use lowercase letters, digits and single underscores between words, and begin with a"
    " letter, such as acme_chat."
)


@dataclass(frozen=True)
class Scaffold:
    """The files of a new integration, their folder and its title."""

    folder: Path
    files: tuple[Path, ...]
    title: str


@dataclass(frozen=True)
class Choice:
    """The choices of a new integration: one of KINDS, its title, and who runs the server.

    `title` is the product's name if it is not the capitalized name. `own_server` is for the kinds
    `team` and `webhook-url`: an admin may run the server.
    """

    kind: str = "team"
    title: str = ""
    own_server: bool = False

    def check(self) -> None:
        """Raise Refused for choices that are not known or do not match."""
        if self.kind not in KINDS:
            raise Refused("bad_kind", f"“{self.kind}” is not a kind. Use {', '.join(KINDS)}.")
        if self.own_server and self.kind not in ("team", "webhook-url"):
            raise Refused(
                "bad_kind", "Only team and webhook-url can have an own server. Add a ServerField."
            )
        if not re.fullmatch(r"[^\x00-\x1f\"\\${}]{0,30}", self.title):
            raise Refused(
                "bad_title", "A title has at most 30 characters, without quotes and braces."
            )


def create(name: str, folder: Path | None, choice: Choice) -> Scaffold:
    """Create an integration as a package in a folder, or without one in the current checkout."""
    if folder is not None:
        return in_package(name, folder, choice)
    return in_checkout(name, Path.cwd(), choice)


def in_checkout(name: str, current_folder: Path, choice: Choice = Choice()) -> Scaffold:
    """Create an integration's files in the checkout that contains `current_folder`.

    Raises Refused for an invalid name or choice, NotFound without a checkout, Conflict if a file
    exists.
    """
    kind = choice.kind
    _check_name(name, choice)
    root = _checkout(current_folder)
    if (path := _find_word(root, name)) is not None:
        raise Conflict(
            "word_in_use",
            f"The word “{name}” occurs in {path.relative_to(root)}, but only the"
            " integration’s own module may contain it (tests/test_architecture.py checks"
            f" this). Choose another name, such as {name}_chat.",
        )
    substitutions = _substitutions(
        name,
        choice,
        module=f"hub.integrations.{name}",
        http_recorder="tests.integrations.http_recorder",
    )
    return _write(
        root,
        substitutions,
        {
            f"hub/integrations/{name}.py": _template_name(kind, "module"),
            f"hub/integrations/{name}.toml": _template_name(kind, "errors"),
            f"tests/integrations/test_{name}.py": _template_name(kind, "test"),
        },
    )


def in_package(name: str, folder: Path, choice: Choice = Choice()) -> Scaffold:
    """Create a package with an integration: project file, module, codes, test and README.

    Raises Refused for an invalid name or choice, Conflict if a file exists.
    """
    kind = choice.kind
    _check_name(name, choice)
    package = f"hub_{name}"
    substitutions = _substitutions(
        name, choice, module=f"{package}.{name}", http_recorder="http_recorder"
    ) | {
        "package": package,
        "dist": package.replace("_", "-"),
    }
    return _write(
        folder,
        substitutions,
        {
            "pyproject.toml": "pyproject",
            "README.md": "readme",
            f"{package}/__init__.py": "init",
            f"{package}/{name}.py": _template_name(kind, "module"),
            f"{package}/{name}.toml": _template_name(kind, "errors"),
            f"tests/test_{name}.py": _template_name(kind, "test"),
            "tests/conftest.py": "conftest",
            "tests/http_recorder.py": "http_recorder",
        },
    )


# ── The name ──────────────────────────────────────────────────────────────────────────────────────
def _template_name(kind: str, part: str) -> str:
    return f"{kind.replace('-', '_')}_{part}"


def _check_name(name: str, choice: Choice) -> None:
    """Refuse a name that no integration may have, and choices that do not match."""
    choice.check()
    if name.startswith("_"):
        raise Refused(
            "bad_name",
            f"{name} begins with an underscore, which is reserved for shared modules."
            " Choose a name without it.",
        )
    if not NAME.fullmatch(name):
        raise Refused("bad_name", f"“{name}” is not a module name. {NAME_HINT}")
    if len(name) > MAX_LENGTH:
        raise Refused(
            "bad_name", f"{name} is too long ({len(name)} characters). Use at most {MAX_LENGTH}."
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
    if (existing := integrations.registry().get(name)) is not None:
        raise Conflict(
            "name_taken",
            f"An integration named {name} already exists in {existing.__module__}. Choose"
            " another name.",
        )
    substitutions = _substitutions(name, choice, module="", http_recorder="")
    if (
        _count_names(TEMPLATES / f"{_template_name(choice.kind, 'module')}.txt", substitutions)[
            substitutions["class_name"]
        ]
        > 1
    ):
        reason = (
            f"A class {substitutions['class_name']} would hide a name that integrations import."
            f" Choose another name, such as {name}_chat."
        )
        raise Refused("bad_name", reason)


def _count_names(template: Path, substitutions: dict[str, str]) -> Counter[str]:
    """Count the names that a module's text imports and defines."""
    counts: Counter[str] = Counter()
    for node in ast.parse(Template(template.read_text()).substitute(substitutions)).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            counts.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            counts[node.name] += 1
    return counts


def _substitutions(name: str, choice: Choice, *, module: str, http_recorder: str) -> dict[str, str]:
    """Return the substitutions in the templates."""
    words = " ".join(word.capitalize() for word in name.split("_"))
    title = choice.title.strip() or words
    host = name.replace("_", "-")
    server = f"{host}.your-company.com" if choice.own_server else f"hooks.{host}.example"
    api_server = f"https://api.{host}.example"
    token_fields = OWN_SERVER_FIELDS if choice.own_server else HOSTED_FIELDS
    setting_name = name.replace("_", "")  # as in names of settings, see config.API_URL
    return {
        "name": name,
        "title": title,
        "class_name": words.replace(" ", ""),
        "host": host,
        "setup": SETUPS[choice.kind],
        "example_url": f"https://{server}/services/0123456789",
        "own_or_hosted": "    limit_per_server = True"
        if choice.own_server
        else f'    api = {{"{setting_name}": "https://{server}"}}',
        "token_imports": "ServerField, TokenField" if choice.own_server else "SecretField",
        "token_fields": token_fields.replace("$server", api_server),
        "server_setting": f'"server": "{api_server}", ' if choice.own_server else "",
        "host_rule": "" if choice.own_server else f'            host=r"{re.escape(server)}",',
        "api": setting_name,
        "api_upper": setting_name.upper(),
        "module": module,
        "http_recorder": http_recorder,
    }


# ── The checkout ──────────────────────────────────────────────────────────────────────────────────
def _checkout(start: Path) -> Path:
    """Return the root of the checkout that contains a folder."""
    for folder in (start, *start.parents):
        if (folder / "hub/integrations/base.py").is_file() and (
            folder / "tests/integrations"
        ).is_dir():
            return folder
    raise NotFound(
        "no_checkout",
        f"{start} is not in a checkout of Signpost. Change into one, or create a separate"
        " package with --package FOLDER.",
    )


def _find_word(root: Path, name: str) -> Path | None:
    """Return a file of the core that contains a name as a word, or None."""
    word = re.compile(rf"\b{name}\b")
    return next((path for path in _core_files(root / "hub") if word.search(path.read_text())), None)


def _core_files(hub: Path) -> Iterator[Path]:
    excluded = (hub / "integrations", hub / "simulator", hub / "templates/simulator")
    for path in (*sorted(hub.rglob("*.py")), *sorted((hub / "templates").rglob("*.*"))):
        if not any(folder in path.parents for folder in excluded):
            yield path


# ── The files ─────────────────────────────────────────────────────────────────────────────────────
def _write(
    folder: Path, substitutions: dict[str, str], template_by_path: dict[str, str]
) -> Scaffold:
    """Write files from their templates. If one of them exists, write none."""
    paths = {folder / path: template for path, template in template_by_path.items()}
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
            file.write(
                Template((TEMPLATES / f"{template}.txt").read_text()).substitute(substitutions)
            )
    _format(paths)
    return Scaffold(folder, tuple(paths), substitutions["title"])


def _format(paths: Iterable[Path]) -> None:
    """Format new modules with ruff, if it is installed."""
    modules = [str(path) for path in paths if path.suffix == ".py"]
    if find_spec("ruff") is not None:
        ruff = [sys.executable, "-m", "ruff"]
        subprocess.run([*ruff, "check", "--quiet", "--fix", "--select", "I", *modules], check=True)
        subprocess.run([*ruff, "format", "--quiet", *modules], check=True)
