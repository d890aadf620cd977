"""Emails in a real browser: narrow and wide, light and dark, in languages of both directions."""

from __future__ import annotations

import email
import os
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from hub.integrations.base import Button, Outbound
from hub.integrations.branding import Branding
from hub.integrations.emails.labels import labels_of
from hub.integrations.smtp.mime import envelope

LINK = "https://sign.example/r/agr-1001/eric?token=5f0c7d1be2a94c61b4a0e8d3f7a6152c"
SETTINGS = {"from_address": "sign@acme.example", "from_name": "Acme", "unsubscribe": "all"}
TEXTS = {
    "en": "Hello Eric Smith,\n\nAcme HR sent you “Employment Agreement 2026”. Please review and"
    f" sign it.\n\n{LINK}",
    "ar": "مرحبًا إريك،\n\nأرسلت إليك Acme HR المستند «اتفاقية العمل». يُرجى مراجعته وتوقيعه."
    f"\n\n{LINK}",
    "de": "Guten Tag,\n\n" + "Rechtsschutzversicherungsgesellschaften" * 4 + f"\n\n{LINK}",
}
BRANDING = Branding(
    "Acme Legal", "#ffcc00", "Acme Inc., 1 Main Street, Springfield\nReg. 4711", "help@acme.example"
)


def html_of(locale: str, branding: Branding) -> str:
    message = Outbound(
        id="msg_1",
        attempt=1,
        to="eric@example.com",
        text=TEXTS[locale],
        subject="Please sign",
        locale=locale,
        buttons=(Button("Review and sign", LINK),),
        branding=branding,
        unsubscribe_url=f"https://hub.example/u/{'t' * 43}",
    )
    parsed: Any = email.message_from_bytes(envelope(message, SETTINGS).content, policy=default)
    return str(parsed.get_body(("html",)).get_content())


def contrasts(page: Page) -> list[tuple[str, float]]:
    """Return the text and the contrast of each visible piece of text with its background."""
    found: list[tuple[str, float]] = page.evaluate(
        """() => {
        const parts = (color) => (color.match(/[0-9.]+/g) || []).map(Number);
        const luminance = ([r, g, b]) => {
            const f = (v) => ((v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b);
        };
        const behind = (node) => {
            for (; node; node = node.parentElement) {
                const color = parts(getComputedStyle(node).backgroundColor);
                if (color.length === 3 || color[3] > 0) return color;
            }
            return [255, 255, 255];
        };
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        const result = [];
        while (walker.nextNode()) {
            const node = walker.currentNode.parentElement;
            const text = walker.currentNode.textContent.trim();
            if (!text || getComputedStyle(node).opacity === '0' || !node.getClientRects().length)
                continue;
            const color = parts(getComputedStyle(node).color);
            const values = [luminance(color), luminance(behind(node))];
            values.sort((a, b) => b - a);
            result.push([text, (values[0] + 0.05) / (values[1] + 0.05)]);
        }
        return result;
    }"""
    )
    return found


@pytest.mark.parametrize("locale", TEXTS)
@pytest.mark.parametrize("width", [390, 600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_email_fits_and_is_readable(browser: Browser, locale: str, width: int, scheme: Any) -> None:
    branding = BRANDING if locale != "de" else Branding()
    context = browser.new_context(
        viewport={"width": width, "height": 760}, color_scheme=scheme, java_script_enabled=True
    )
    requests: list[str] = []
    page = context.new_page()
    page.on("request", lambda request: requests.append(request.url))
    page.set_content(html_of(locale, branding))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    low = [(text, round(ratio, 2)) for text, ratio in contrasts(page) if ratio < 4.5]
    assert low == []
    button = page.get_by_role("link", name=labels_of(locale).sign)
    assert button.get_attribute("href") == LINK
    assert (button.bounding_box() or {})["height"] >= 40
    assert requests == [], "opening an email loads nothing"
    if folder := os.environ.get("HUB_SCREENSHOTS"):
        name = f"email-{locale}-{width}-{scheme}.png"
        page.screenshot(path=Path(folder) / name, full_page=True)
    context.close()
