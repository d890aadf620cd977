"""The tests of a run, in the order in which they begin, and those that one process runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePath

import pytest
from xdist.scheduler import LoadScopeScheduling

# tests that share a running hub
STORIES = {
    "test_generated_client.py",
    "test_signing_apps.py",
    "test_story.py",
    "test_whatsapp_story.py",
}
# tests of one file that share what takes long to make
SHARING = {
    "test_apprise_services.py",
    "test_apprise_urls.py",
    "test_architecture.py",
    "test_cli.py",
    "test_docs.py",
    "test_http_contract.py",
    "test_provider_tls.py",
}


# through these fixtures a test gets its database; a `hub` of processes makes its own
DATABASES = ("postgres_url", "hub")


def group_of(node_id: str) -> str:
    """Return the group of a test, which one process runs; '' if any process may run it."""
    path = PurePath(node_id.partition("::")[0]).relative_to("tests")
    if path.parts[0] in {"run", "chaos"} or path.name == "test_outages.py":
        return "processes"
    if path.parts[0] == "browser":  # they share a hub and a browser
        return "browser"
    if path.name in STORIES:
        return "stories"
    if path.name.endswith("story.py") or path.name in SHARING:
        return path.name
    return ""


def can_use_database(item: pytest.Item) -> bool:
    """Return whether a fixture of a test leads to a database, or its folder is about one."""
    names = getattr(item, "fixturenames", ())
    folder = PurePath(item.nodeid).parts[1]
    return folder in {"db", "run", "chaos"} or any(name in names for name in DATABASES)


def largest_groups_first(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Return tests in the order in which they begin: every process ends with small ones."""
    groups = {item: group_of(item.nodeid) for item in items}
    sizes = Counter(group for group in groups.values() if group)
    return sorted(groups, key=lambda item: -sizes[groups[item]])


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Give each group of tests to one process, and every other test to any.

    pytest-xdist's own `loadgroup` takes no effect with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid) or nodeid
