"""Addresses of the inbox, opt-outs, templates and a search, and a callback that matches nothing."""

from __future__ import annotations

import re
import urllib.request

from playwright.sync_api import Playwright

from hub.simulator.signing import Key, post
from tests.browser.conftest import State, token_in
from tests.live_hub import Hub


def inbox_addresses(playwright: Playwright, hub: Hub, admin: State) -> dict[str, str]:
    """Return the identifiers of the inbox, opt-out, template and API key pages."""
    boss = playwright.request.new_context(base_url=hub.url, storage_state=admin)
    active, stopped, closed = re.findall(r'href="/inbox/(cnv_[^"]+)"', boss.get("/inbox").text())[
        :3
    ]
    [who_stopped, *_] = re.findall(
        r'href="/contacts/([^"]+)"', boss.get(f"/inbox/{stopped}").text()
    )
    optout = re.findall(r'href="/opt-outs/([^"]+)"', boss.get("/opt-outs").text())[0]
    [contact, *_] = re.findall(r'href="/contacts/([^"]+)"', boss.get(f"/inbox/{active}").text())
    templates = boss.get("/templates").text()
    template = re.findall(r'href="/templates/(ptp_[^"]+)"', templates)[0]
    texts = re.findall(r'href="/templates/texts/(tpl_[^"]+)"\s+aria-label="([^"]+)"', templates)
    by_label = {label: text_id for text_id, label in texts}
    mapping = re.findall(r'href="/templates/mappings/([^"/]+)/remove"', templates)[0]
    [key, *_] = re.findall(
        r'href="/settings/api-keys/([^"]+)"', boss.get("/settings/api-keys").text()
    )
    boss.dispose()
    return {
        "key": key,
        "talk": active,
        "closed": closed,
        "contact": contact,
        "template": template,
        "mapping": mapping,
        "text": by_label["To the other signers, SMS, pl"],
        "email_text": by_label["To the signer, Email, fr"],
        "stopped": who_stopped,
        "optout": optout,
    }


def search_address(playwright: Playwright, hub: Hub, admin: State) -> str:
    """Return the encrypted query of a search that finds people, requests and messages."""
    boss = playwright.request.new_context(base_url=hub.url, storage_state=admin)
    token = token_in(boss.get("/search").text())
    answer = boss.post("/search", form={"csrf_token": token, "q": "eric"}, max_redirects=0)
    boss.dispose()
    return answer.headers["location"].rpartition("find=")[2]


def send_unmatched_callback(hub: Hub) -> None:
    """Send a signed callback about a message that the hub does not know."""
    credentials = hub.credentials
    fields = {
        "AccountSid": credentials.account_sid,
        "MessageSid": "SM" + "9" * 32,
        "MessageStatus": "delivered",
    }
    request = post(
        f"{hub.url}/api/rpc/webhooks/twilio/sms", fields.items(), Key(credentials.auth_token)
    )
    urllib.request.urlopen(
        urllib.request.Request(request.url, request.body, request.headers), timeout=10
    ).close()
