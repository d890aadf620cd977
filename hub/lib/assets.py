"""Serve style sheets, scripts and icons at URLs that change with their content.

Bootstrap and its icons come from the Bootstrap-Flask package. The files are read into memory when
the first page needs them. Nothing is written to disk.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from mimetypes import guess_type
from pathlib import Path

import flask_bootstrap
from flask import Blueprint, Flask, Response, request
from markupsafe import Markup
from werkzeug.exceptions import NotFound

from hub.lib import compression

BOOTSTRAP = Path(flask_bootstrap.__file__).parent / "static" / "bootstrap5"
STATIC = Path(__file__).parents[1] / "static"
SPRITE = "icons.svg"
# one request instead of four; the simulator's pages add simulator.css
BUNDLES = {"signpost.css": ("tokens.css", "base.css", "components.css")}
CACHE_SECONDS = 31_536_000  # seconds
# the Bootstrap icons that pages show; a test compares this list with the templates
ICONS = (
    "archive",
    "arrow-repeat",
    "arrow-return-left",
    "arrow-right-circle",
    "arrow-right-circle-fill",
    "arrow-up-right-square",
    "battery-full",
    "bell",
    "bell-slash",
    "book",
    "box",
    "box-arrow-up-right",
    "broadcast",
    "caret-down-square",
    "cash-coin",
    "chat-dots",
    "chat-left-text",
    "check-circle",
    "check-circle-fill",
    "check2",
    "check2-all",
    "chevron-down",
    "chevron-up",
    "circle",
    "clock",
    "clock-history",
    "cloud-slash",
    "code-slash",
    "compass",
    "copy",
    "dash-circle",
    "dot",
    "download",
    "envelope",
    "eraser",
    "exclamation-triangle",
    "exclamation-triangle-fill",
    "eye-fill",
    "eye-slash",
    "file-earmark",
    "file-earmark-x",
    "file-text",
    "filetype-json",
    "funnel",
    "hand-index",
    "hourglass-bottom",
    "hourglass-split",
    "image",
    "inbox",
    "info-circle-fill",
    "lightning-charge",
    "link-45deg",
    "list",
    "lock",
    "moon",
    "paperclip",
    "pause-circle-fill",
    "pen",
    "people",
    "person",
    "phone",
    "plug",
    "plus-circle",
    "question-diamond-fill",
    "reception-4",
    "reply",
    "robot",
    "search",
    "send",
    "shield-lock",
    "signpost-split",
    "skip-forward",
    "slash-circle",
    "sliders",
    "toggle-off",
    "toggle-on",
    "unlock",
    "x-lg",
    "x-octagon",
    "x-octagon-fill",
)
SYMBOL = re.compile(r'<symbol class="[^"]*" (viewBox="[^"]*" id="([a-z0-9-]+)".*?</symbol>)')
SOURCE_MAP = re.compile(rb"/\*# sourceMappingURL=.*?\*/")


@dataclass(frozen=True)
class Asset:
    """A file with its type."""

    content: bytes
    mimetype: str


def init_app(app: Flask, prepare: Callable[[Blueprint], None] | None = None) -> None:
    """Serve the files, and give the templates `asset_url()` and `bootstrap_icon()`.

    `prepare` is called with the blueprint of the files before it is registered.
    """
    compression.init_app(app)
    files = Blueprint("static", __name__, url_prefix="/static")
    files.add_url_rule("/<version>/<path:name>", view_func=_serve)
    if prepare is not None:
        prepare(files)
    app.register_blueprint(files)
    app.jinja_env.globals.update(asset_url=asset_url, bootstrap_icon=bootstrap_icon)


def asset_url(name: str) -> str:
    """Return the URL of a static file, such as `js/copy.js`."""
    return f"{request.script_root}/static/{_version()}/{name}"


def bootstrap_icon(name: str) -> Markup:
    """Return one of `ICONS` in the color and size of the text around it.

    Raises KeyError for a name that is not in `ICONS`.
    """
    return _bootstrap_icon(name, asset_url(SPRITE))


@lru_cache(maxsize=256)
def _bootstrap_icon(name: str, sprite: str) -> Markup:
    if name not in ICONS:
        raise KeyError(f"{name} is not in hub.lib.assets.ICONS.")
    return Markup('<i class="bi" aria-hidden="true"><svg><use href="{}#{}"/></svg></i>').format(
        sprite, name
    )


def _serve(version: str, name: str) -> Response:
    file = _assets().get(name)
    if file is None:
        raise NotFound
    response = Response(file.content, mimetype=file.mimetype)
    response.cache_control.public = True
    if version == _version():
        response.cache_control.max_age = CACHE_SECONDS
        response.cache_control.immutable = True
    else:  # during an upgrade, another version may have created the page
        response.cache_control.no_cache = True
    response.add_etag()
    response.make_conditional(request)
    return compression.compress_public(response)


@cache
def _version() -> str:
    digest = hashlib.sha256()
    for name, file in sorted(_assets().items()):
        digest.update(name.encode() + b"\0" + file.content)
    return digest.hexdigest()[:16]


@cache
def _assets() -> dict[str, Asset]:
    """Return all files by name, with the style sheets bundled and the icons in one sprite."""
    contents = {
        str(path.relative_to(STATIC)): path.read_bytes()
        for path in STATIC.rglob("*")
        if path.is_file()
    }
    bootstrap = SOURCE_MAP.sub(b"", (BOOTSTRAP / "css" / "bootstrap.min.css").read_bytes())
    for bundle, part_names in BUNDLES.items():
        contents[bundle] = b"\n".join(
            [bootstrap, *(contents.pop(part_name) for part_name in part_names)]
        )
    contents[SPRITE] = _sprite().encode()
    return {
        name: Asset(content, guess_type(name)[0] or "application/octet-stream")
        for name, content in contents.items()
    }


def _sprite() -> str:
    """Return the used icons as symbols of one SVG document."""
    text = (BOOTSTRAP / "icons" / "bootstrap-icons.svg").read_text(encoding="utf-8")
    symbols = {name: f"<symbol {rest}" for rest, name in SYMBOL.findall(text)}
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg">{"".join(symbols[name] for name in ICONS)}</svg>'
    )
