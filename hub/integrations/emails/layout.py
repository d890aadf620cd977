"""Fill the layout of an email: paragraphs with links, the button, and the footer.

`layout.html` is compiled from `layout.mjml` by `bin/mail-layout`. It contains no images and no
addresses of other servers, so that opens and clicks are reported to no one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup, escape

from hub.integrations.emails.labels import button_text, labels_of
from hub.integrations.values import Button, Outbound

BUTTON_COLOR = "#0b5a6b"
BUTTON_TEXT_COLOR = "#ffffff"
MAX_PREVIEW_LENGTH = 120  # characters
RIGHT_TO_LEFT = frozenset(
    ("ar", "arc", "ckb", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi")
)
_URL = re.compile(r"https?://[^\s<>\"⁦-⁩]+")
_AFTER_URL = ".,;:!?)]}'’”"  # punctuation that ends a sentence, not an address


@dataclass(frozen=True)
class Sheet:
    """The parts of an email around its text."""

    name: str
    footer: str = ""
    logo: str = ""  # the address of a file within the email
    color: str = BUTTON_COLOR
    color_on: str = BUTTON_TEXT_COLOR


@cache
def _layout() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    return environment.from_string(files(__package__).joinpath("layout.html").read_text("utf-8"))


def html_body(message: Outbound, subject: str, sheet: Sheet) -> str:
    """Return the HTML of a message."""
    button = next((button for button in message.buttons if is_web_address(button.url)), None)
    paragraphs = [part for part in re.split(r"\n\s*\n", text_of(message)) if part.strip()]
    shown = [part for part in paragraphs if button is None or part.strip() != button.url]
    is_rtl = message.locale.replace("_", "-").partition("-")[0].lower() in RIGHT_TO_LEFT
    return _layout().render(
        lang=message.locale,
        direction="rtl" if is_rtl else "ltr",
        start="right" if is_rtl else "left",
        subject=subject,
        preview=" ".join(" ".join(shown).split())[:MAX_PREVIEW_LENGTH],
        name=sheet.name,
        logo=sheet.logo,
        body=Markup("").join(_paragraph(part) for part in shown),
        button=button,
        button_text=button_text(button.text, message.locale) if button else "",
        color=sheet.color,
        color_on=sheet.color_on,
        link_help=_link_help(button, labels_of(message.locale).link_help),
        footer=Markup("<br>").join(_directed(_linked(line)) for line in sheet.footer.split("\n")),
    )


def plain_body(message: Outbound, sheet: Sheet) -> str:
    """Return the plain text of a message, with the links that its text does not contain."""
    links = [
        f"{button_text(button.text, message.locale)}: {button.url}"
        for button in message.buttons
        if is_web_address(button.url) and button.url not in message.text
    ]
    footer = [f"-- \n{sheet.footer}"] if sheet.footer else []
    return "\n\n".join([text_of(message), *links, *footer]) + "\n"


def text_of(message: Outbound) -> str:
    """Return the text of a message, with the addresses of files at other servers."""
    return "\n\n".join(filter(None, (message.text, *message.external_media)))


def is_web_address(url: str) -> bool:
    """Return whether a URL may be a link in an email."""
    return url.startswith(("https://", "http://"))


def _paragraph(text: str) -> Markup:
    return Markup('<p dir="auto">{}</p>').format(_lines(text.strip("\n")))


def _directed(line: Markup) -> Markup:
    """Return a line with the direction of its own letters: the layout's cells are left to right."""
    return Markup('<span dir="auto">{}</span>').format(line)


def _lines(text: str) -> Markup:
    return Markup("<br>").join(_linked(line) for line in text.split("\n"))


def _linked(line: str) -> Markup:
    """Return a line as HTML, with its web addresses as links."""
    result = Markup("")
    position = 0
    for match in _URL.finditer(line):
        url = match[0].rstrip(_AFTER_URL)
        result += escape(line[position : match.start()])
        result += Markup('<a href="{}">{}</a>').format(url, url)
        position = match.start() + len(url)
    return result + escape(line[position:])


def _link_help(button: Button | None, label: str) -> Markup:
    if button is None:
        return Markup("")
    link = Markup('<a href="{}">{}</a>').format(button.url, button.url)
    return Markup("{}<br>{}").format(_directed(escape(label)), link)
