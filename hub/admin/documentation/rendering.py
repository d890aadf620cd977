"""Render the documentation pages, the Markdown files of `docs/`, to HTML.

A link between two files becomes a link between two pages. A link to any other file, such as a
module, becomes plain text, because a running hub does not serve its source.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from markupsafe import Markup, escape

from hub.core.errors import HubError, NotFound

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

PACKAGE = Path(__file__).resolve().parents[2]
GUIDE = "hub/integrations/README.md"
IMAGES = "docs/screenshots/"
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


class BadPage(HubError):
    """A page cannot be rendered. The sentence names the file."""


@dataclass(frozen=True)
class Page:
    """One file of the documentation."""

    source: str  # its path in a checkout, such as docs/rules.md
    path: Path

    @property
    def slug(self) -> str:
        """Return the part of the page's URL after `/docs/`, or '' for the start page."""
        if self.source == GUIDE:
            return "integration-guide"
        name = self.source.removeprefix("docs/").removesuffix(".md")
        return "" if name == "README" else name.removesuffix("/README")


@dataclass(frozen=True)
class Link:
    """A link or an image: its target as written, and the file and anchor of the target."""

    target: str
    source: str = ""  # "" for a URL outside the documentation
    anchor: str = ""


@dataclass(frozen=True)
class Rendered:
    """A page as HTML."""

    title: str
    body: Markup  # without the title
    sections: tuple[tuple[str, str], ...]  # the anchor and text of each h2
    anchors: frozenset[str]
    links: tuple[Link, ...]
    code: tuple[str, ...]  # each text that is formatted as code


@dataclass(frozen=True)
class Section:
    """A heading of the start page with the pages that it lists, as slug and title."""

    title: str
    pages: tuple[tuple[str, str], ...]


def pages_folder() -> Path:
    """Return the folder of the pages: in the installed package, or in a checkout next to it."""
    installed = PACKAGE / "docs"
    return installed if installed.is_dir() else PACKAGE.parent / "docs"


@cache
def pages() -> Mapping[str, Page]:
    """Return every page by its slug."""
    folder = pages_folder()
    found_pages = [
        Page(f"docs/{path.relative_to(folder).as_posix()}", path) for path in folder.rglob("*.md")
    ]
    found_pages.append(Page(GUIDE, PACKAGE / "integrations" / "README.md"))
    return {page.slug: page for page in sorted(found_pages, key=lambda page: page.source)}


def find_page(slug: str) -> Page:
    """Return a page by its slug. Raises NotFound."""
    try:
        return pages()[slug]
    except KeyError:
        raise NotFound("no_such_page", "The documentation has no such page.") from None


def find_image(name: str) -> Path:
    """Return the file of an image by its name. Raises NotFound."""
    path = pages_folder() / "screenshots" / name
    if path.parent != pages_folder() / "screenshots" or path.suffix != ".png" or not path.is_file():
        raise NotFound("no_such_page", "The documentation has no such image.")
    return path


@cache
def contents() -> tuple[Section, ...]:
    """Return the sections of the start page, which define the order of the pages."""
    return tuple(_read_sections(_parser().parse(find_page("").path.read_text())))


@lru_cache(maxsize=256)
def render(slug: str, base: str) -> Rendered:
    """Render the page of a slug, with links that begin with `base`. Raises NotFound and BadPage."""
    return render_page(find_page(slug), base)


def render_page(page: Page, base: str) -> Rendered:
    """Render a page. Raises BadPage for raw HTML, and for a page without a title."""
    tokens = _parser().parse(_COMMENT.sub("", page.path.read_text()))
    if len(tokens) < 3 or tokens[0].tag != "h1":
        raise BadPage(f"{page.source} does not begin with a title, such as: # Rules")
    _refuse_html(page, tokens)
    headings = list(_name_headings(tokens))
    _label_cells(tokens)
    links = [_resolve_link(page, base, token) for token in _inline_tokens(tokens)]
    code = [token.content for token in _inline_tokens(tokens) if token.type == "code_inline"]
    parser = _parser()
    return Rendered(
        title=_plain_text(tokens[1]),
        body=Markup(parser.renderer.render(tokens[3:], parser.options, {})),  # noqa: S704 - ours
        sections=tuple((anchor, text) for tag, anchor, text in headings if tag == "h2"),
        anchors=frozenset(anchor for _, anchor, _ in headings),
        links=tuple(link for link in links if link is not None),
        code=tuple(code),
    )


def _refuse_html(page: Page, tokens: Sequence[Token]) -> None:
    for token in (*tokens, *_inline_tokens(tokens)):
        if token.type in {"html_block", "html_inline"}:
            tag = token.content.strip()[:60]
            raise BadPage(f"{page.source} contains HTML. Write Markdown instead of {tag}")


def _read_sections(tokens: Sequence[Token]) -> Iterator[Section]:
    title = ""
    section_pages: list[tuple[str, str]] = []
    for before, token in pairwise(tokens):
        if before.type == "heading_open" and before.tag == "h2":
            if section_pages:
                yield Section(title, tuple(section_pages))
            title = _plain_text(token)
            section_pages = []
        elif token.type == "inline" and title:
            section_pages += _linked_pages(token)
    if section_pages:
        yield Section(title, tuple(section_pages))


def _linked_pages(token: Token) -> Iterator[tuple[str, str]]:
    """Return the pages that a line of the start page links to."""
    by_source = {page.source: slug for slug, page in pages().items()}
    children = token.children or []
    for child, label in pairwise(children):
        if child.type == "link_open":
            source, _ = _split_target(find_page(""), str(child.attrs["href"]))
            if source in by_source:
                yield by_source[source], label.content


def _name_headings(tokens: Sequence[Token]) -> Iterator[tuple[str, str, str]]:
    """Set the anchor of each heading, as GitHub does. Returns the tag, anchor and text of each."""
    counts: dict[str, int] = {}
    for heading, content in pairwise(tokens):
        if heading.type != "heading_open":
            continue
        text = _plain_text(content)
        anchor = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        count = counts.get(anchor, 0)
        counts[anchor] = count + 1
        anchor = f"{anchor}-{count}" if count else anchor
        heading.attrSet("id", anchor)
        yield heading.tag, anchor, text


def _label_cells(tokens: Sequence[Token]) -> None:
    """Give each cell of a table the heading of its column, which a narrow page shows beside it."""
    headings: list[str] = []
    column = 0
    for token, content in pairwise(tokens):
        if token.type == "thead_open":
            headings = []
        elif token.type == "th_open":
            headings.append(_plain_text(content))
        elif token.type == "tr_open":
            column = 0
        elif token.type == "td_open":
            if column and headings[column] and content.content:
                token.attrSet("data-label", headings[column])
            column += 1


def _inline_tokens(tokens: Iterable[Token]) -> Iterator[Token]:
    for token in tokens:
        yield from token.children or ()


def _plain_text(token: Token) -> str:
    return "".join(child.content for child in token.children or ())


def _split_target(page: Page, target: str) -> tuple[str, str]:
    """Return the path of a link's target file in a checkout, and its anchor."""
    name, _, anchor = target.partition("#")
    if not name:
        return page.source, anchor
    return posixpath.normpath(posixpath.join(posixpath.dirname(page.source), unquote(name))), anchor


def _resolve_link(page: Page, base: str, token: Token) -> Link | None:
    """Rewrite the target of a link or an image to the URL that the hub serves."""
    attribute = {"link_open": "href", "image": "src"}.get(token.type)
    if attribute is None:
        return None
    target = str(token.attrs[attribute])
    if re.match(r"[a-z]+:", target):
        token.attrSet("rel", "noreferrer")
        return Link(target)
    source, anchor = _split_target(page, target)
    slug = next((slug for slug, other in pages().items() if other.source == source), None)
    if slug is not None:
        address = f"{base}/{slug}".rstrip("/")
        token.attrSet(attribute, address + (f"#{anchor}" if anchor else ""))
    elif source.startswith(IMAGES):
        token.attrSet(attribute, f"{base}/images/{source.removeprefix(IMAGES)}")
    else:
        del token.attrs[attribute]  # a link without a target is shown as text
    return Link(target, source, anchor)


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt  # loaded late: most processes never render a page

    parser = MarkdownIt("commonmark").enable("table")
    for kind, rule in RULES.items():
        parser.add_render_rule(kind, rule)
    return parser


def _code(_self: Any, tokens: Sequence[Token], at: int, *_: Any) -> str:
    code = escape(tokens[at].content.removesuffix("\n"))
    return f'<div class="sp-code sp-doc-code"><pre tabindex="0"><code>{code}</code></pre></div>\n'


def _open_table(*_: Any) -> str:
    # a wide table scrolls inside its frame, which must be reachable by keyboard
    return '<div class="sp-doc-table" role="region" aria-label="Table" tabindex="0"><table>\n'


def _close_table(*_: Any) -> str:
    return "</table></div>\n"


def _open_cell(self: Any, tokens: Sequence[Token], at: int, *_: Any) -> str:
    # one element in the cell, so that a narrow page can show its heading beside it
    return f"<td{self.renderAttrs(tokens[at])}><div>"


def _close_cell(*_: Any) -> str:
    return "</div></td>\n"


# the render functions of tokens whose HTML differs from the parser's
RULES = {
    "fence": _code,
    "code_block": _code,
    "table_open": _open_table,
    "table_close": _close_table,
    "td_open": _open_cell,
    "td_close": _close_cell,
}
