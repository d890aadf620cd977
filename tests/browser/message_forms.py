"""Forms of messages, requests, the inbox and templates, used without script."""

from __future__ import annotations

import secrets

from playwright.sync_api import expect

from tests.browser.script_free import Bare, form, newest_talk
from tests.browser.test_connecting import press, until_shown


# ── Messages and requests ─────────────────────────────────────────────────────────────────────────
@form("admin.resend_message")
def _(bare: Bare) -> None:
    message_id = bare.hub.message("+15005550011", "Once more, bare")
    bare.hub.settled(message_id, "undelivered")
    bare.page.goto(f"/messages/{message_id}")
    press(bare.page, "Resend message")
    expect(bare.page.locator(".sp-leg")).to_have_count(2)


@form("admin.cancel_message")
def _(bare: Bare) -> None:
    slug = bare.connection("Canceled bare", enabled=True).rpartition("/")[2]
    bare.hub.make_trouble(refuse=10_000)
    try:
        message_id = bare.hub.message(bare.hub.number(), connection=slug)
        bare.page.goto(f"/messages/{message_id}")
        until_shown(bare.page, bare.page.get_by_role("heading", name="Next attempt at"))
        press(bare.page, "Cancel message")
        bare.says("Message canceled. It was not sent.")
    finally:
        bare.hub.make_trouble(refuse=0)


@form("admin.lift_suppression")
def _(bare: Bare) -> None:
    message_id = bare.hub.message("+15005550004", "Stopped, bare")
    if bare.hub.settled(message_id, "failed", "suppressed")["status"] == "failed":
        message_id = bare.hub.message("+15005550004", "Stopped again, bare")
    bare.page.goto(f"/messages/{message_id}")
    bare.page.get_by_role("link", name="Allow messages to this recipient again").click()
    press(bare.page, "Allow messages to this recipient again")
    bare.says("Opt-out removed.")


@form("admin.remind")
def _(bare: Bare) -> None:
    _, answer = bare.hub.request(
        {"id": "anna", "name": "Anna Berg", "mobile_number": bare.hub.number()}
    )
    bare.page.goto(f"/requests/{bare.hub.settled(answer['messages'][0]['id'])['request']}")
    press(bare.page, "Remind everyone who has not signed")
    bare.says("1 reminder queued.")


@form("admin.signer_action")
def _(bare: Bare) -> None:
    _, answer = bare.hub.request(
        {"id": "anna", "name": "Anna Berg", "mobile_number": bare.hub.number()}
    )
    bare.page.goto(f"/requests/{bare.hub.settled(answer['messages'][0]['id'])['request']}")
    press(bare.page, "Snooze for a day")
    bare.says("Reminders snoozed until")
    press(bare.page, "Resume reminders")
    bare.says("Snooze ended. Reminders can be sent again.")
    press(bare.page, "Invite to a chat")
    expect(bare.page.get_by_text("It works once and expires")).to_be_visible()


@form("admin.confirm_action")
def _(bare: Bare) -> None:
    bare.hub.request(
        {"id": "anna", "name": "Anna Berg", "mobile_number": bare.hub.number()},
        title="Pressed bare",
    )
    page = bare.tabs(javascript=False)
    page.goto(f"{bare.hub.simulator_url}/simulator/teams")
    card = page.locator("article, li, .sp-post").filter(has_text="Pressed bare").last
    until_shown(page, card)
    page.goto(card.get_by_role("link", name="Snooze a day").get_attribute("href") or "")
    press(page, "Snooze reminders to Anna Berg for a day")
    expect(page.get_by_role("heading", name="Done.")).to_be_visible()


@form("admin.change_posts")
def _(bare: Bare) -> None:
    bare.page.goto("/connections/demo-telegram")
    bare.page.get_by_label("Reminder sent to signers").check()
    press(bare.page, "Save events")
    bare.says("Changes saved. They apply from the next event on.")
    expect(bare.page.get_by_label("Reminder sent to signers")).to_be_checked()


@form("admin.invite_team")
def _(bare: Bare) -> None:
    bare.page.goto("/connections/demo-telegram")
    press(bare.page, "Create link for another group")
    expect(bare.page.get_by_text("?startgroup=")).to_be_visible()


@form("admin.replay_message")
def _(bare: Bare) -> None:
    message_id = bare.hub.message(bare.hub.number(), "Told again, bare")
    bare.hub.settled(message_id)
    bare.page.goto(f"/messages/{message_id}")
    bare.page.locator("#raw summary").click()
    press(bare.page, "Replay callbacks")
    bare.says("Nothing was missed.")


@form("admin.replay_callback")
def _(bare: Bare) -> None:
    sid = f"SM{secrets.token_hex(16)}"
    bare.hub.call_back(sid, "delivered")
    bare.page.goto("/receipts")
    until_shown(bare.page, bare.row(sid))
    bare.row(sid).get_by_role("button", name="Replay").click()
    bare.says("1 callback could not be processed.")


# ── Inbox and templates ───────────────────────────────────────────────────────────────────────────
@form("admin.answer")
def _(bare: Bare) -> None:
    newest_talk(bare, "Is this final, bare?")
    bare.page.get_by_label("Your reply").fill("  ")
    press(bare.page, "Send reply")
    expect(bare.page.locator("#text-error")).to_contain_text("Enter the text of the reply.")
    bare.page.get_by_label("Your reply").fill("Yes, it is, bare.")
    press(bare.page, "Send reply")
    expect(bare.page.locator(".sp-talk li").last).to_contain_text("Yes, it is, bare.")


@form("admin.mark_read")
def _(bare: Bare) -> None:
    newest_talk(bare, "Just so that you know, bare.")
    press(bare.page, "Mark as read")
    expect(bare.row("Just so that you know, bare.").locator("strong")).to_have_count(0)


@form("admin.add_suppression")
def _(bare: Bare) -> None:
    bare.page.goto("/opt-outs")
    bare.page.get_by_label("Phone number or email address").fill("317 555 0100")
    press(bare.page, "Add opt-out")
    expect(bare.page.locator("#address-error")).to_contain_text("+")
    bare.page.get_by_label("Phone number or email address").fill("+13175550188")
    press(bare.page, "Add opt-out")
    bare.says("is opted out. It receives no messages")


@form("admin.remove_opt_out")
def _(bare: Bare) -> None:
    bare.page.goto("/opt-outs")
    bare.page.get_by_label("Phone number or email address").fill("+13175550189")
    press(bare.page, "Add opt-out")
    bare.row("+13175550189").get_by_role("link", name="Remove opt-out").click()
    press(bare.page, "Remove opt-out")
    expect(bare.page.locator("#why-error")).to_contain_text("Enter the reason")
    bare.page.get_by_label("Reason").fill("Asked us on the phone.")
    press(bare.page, "Remove opt-out")
    bare.says("This address can receive messages again.")


@form("admin.import_suppressions")
def _(bare: Bare) -> None:
    bare.page.goto("/opt-outs")
    lines = b"address,channel,why\n+13175550190,,Old list\nnonsense,sms,\n"
    bare.page.get_by_label("CSV file").set_input_files(
        {"name": "old.csv", "mimeType": "text/csv", "buffer": lines}
    )
    press(bare.page, "Import file")
    bare.says("1 address was opted out.")
    bare.says("Line 3:")


@form("admin.save_opt_out_rules")
def _(bare: Bare) -> None:
    bare.page.goto("/settings/opt-out-words")
    bare.page.get_by_label("Additional words for STOP").fill("ABMELDEN")
    press(bare.page, "Save changes")
    expect(bare.page.locator("#stop-error")).to_contain_text("de: ABMELDEN")
    bare.page.get_by_label("Additional words for STOP").fill("de: ABMELDEN, STOPP")
    press(bare.page, "Save changes")
    bare.says("Changes saved.")
    expect(bare.page.get_by_label("Additional words for STOP")).to_have_value("de: ABMELDEN, STOPP")


@form("admin.record_consent")
def _(bare: Bare) -> None:
    newest_talk(bare, "You may write to me, bare.")
    bare.page.get_by_role("link", name="View contact").click()
    press(bare.page, "Record consent")
    expect(bare.page.locator("#proof-error, :invalid").first).to_be_visible()
    bare.page.get_by_label("Evidence").fill("Said so on the phone.")
    press(bare.page, "Record consent")
    bare.says("Consent decision recorded")
    expect(bare.row("Recorded manually")).to_contain_text("Consent given")


@form("admin.sync_templates")
def _(bare: Bare) -> None:
    bare.page.goto("/templates")
    press(bare.page, "Refresh templates")
    bare.says("Fetched 9 templates.")


@form("admin.map_template")
def _(bare: Bare) -> None:
    bare.page.goto("/templates")
    bare.row("request_sent_pt_BR").get_by_role("link", name="Map template").click()
    bare.page.get_by_label("{{2}}").select_option("title")
    press(bare.page, "Preview")
    expect(bare.page.locator("#preview")).to_contain_text("Employment Agreement enviou")
    bare.page.get_by_label("{{2}}").select_option("sender")
    bare.page.get_by_label("Language").fill("pt")
    press(bare.page, "Save mapping")
    bare.says("request_sent_pt_BR is now used for")


@form("admin.unmap_template")
def _(bare: Bare) -> None:
    bare.page.goto("/templates")
    bare.row("request_signed_actor_en_US").get_by_role("link", name="Remove mapping").click()
    press(bare.page, "Remove mapping")
    bare.says("Mapping removed. Signpost no longer sends this template outside the 24-hour window.")
