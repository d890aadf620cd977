"""Check the documentation: links, anchors, paths of files, and the list of all pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from hub.admin.documentation.rendering import (
    BadPage,
    Page,
    Rendered,
    contents,
    pages,
    render_page,
)

# the path of a source file in text, such as `hub/db/store.py` or `intake/replay.py`
SOURCE_FILE = re.compile(r"(?:[\w.-]+/)+[\w-]+\.(?:py|md|html|css|txt)")
SOURCE_FOLDERS = ("", "hub")  # in decision records, a path may begin inside `hub/`
INTEGRATIONS = "docs/integrations.md"  # the page whose tables list the integrations
EXAMPLE = "pushfox"  # the example integration of the guide, which does not exist


def find_problems(root: Path, others: Iterable[str] = ()) -> Iterator[str]:
    """Describe each broken link, anchor and path, and each page missing on the start page.

    `root`: a checkout. `others`: more Markdown files in it.
    """
    rendered = {}
    for page in (*pages().values(), *(Page(source, root / source) for source in others)):
        try:
            rendered[page.source] = render_page(page, "/docs")
        except BadPage as error:
            yield str(error)
    yield from _unlisted_pages()
    for source, content in rendered.items():
        yield from _broken_links(root, source, content, rendered)
        yield from _missing_files(root, source, content)


def _unlisted_pages() -> Iterator[str]:
    listed_slugs = {slug for section in contents() for slug, _ in section.pages}
    for slug, page in pages().items():
        if slug and "/" not in slug and slug not in listed_slugs:
            yield f"{page.source} is missing on the start page, docs/README.md."


def _broken_links(
    root: Path, source: str, page: Rendered, rendered: Mapping[str, Rendered]
) -> Iterator[str]:
    for link in page.links:
        target = rendered.get(link.source)
        if link.source and not (root / link.source).exists():
            yield f"{source} links to {link.target}, which does not exist.{_hint(source)}"
        elif target and link.anchor and link.anchor not in target.anchors:
            yield f"{source} links to {link.target}, which has no such heading."


def _hint(source: str) -> str:
    """Return how to add a missing page of an integration, to which a generated table links."""
    if source != INTEGRATIONS:
        return ""
    return (
        " Write it: what an admin sets up, what is reported, and the limits. The other pages of"
        " that table are examples. Then list it in docs/README.md, under Providers."
    )


def _missing_files(root: Path, source: str, page: Rendered) -> Iterator[str]:
    for path in sorted(set(page.code)):
        if not SOURCE_FILE.fullmatch(path) or EXAMPLE in path:
            continue
        if not any((root / folder / path).exists() for folder in SOURCE_FOLDERS):
            yield f"{source} names {path}, which does not exist."
