"""Forms of messages, requests, the inbox and templates, submitted without JavaScript."""

from __future__ import annotations

import secrets

from playwright.sync_api import expect

from tests.browser.no_script_browser import NoScriptBrowser, form, open_newest_conversation
from tests.browser.test_connecting import press, reload_until_visible


# ── Messages and requests ─────────────────────────────────────────────────────────────────────────
@form("admin.resend_message")
def submit_resend_message(no_script: NoScriptBrowser) -> None:
    message_id = no_script.hub.message("+15005550011", "Once more, bare")
    no_script.hub.wait_for_status(message_id, "undelivered")
    no_script.page.goto(f"/messages/{message_id}")
    press(no_script.page, "Resend message")
    expect(no_script.page.locator(".sp-leg")).to_have_count(2)


@form("admin.cancel_message")
def submit_cancel_message(no_script: NoScriptBrowser) -> None:
    slug = no_script.connection("Canceled bare", enabled=True).rpartition("/")[2]
    no_script.hub.set_faults(refuse=10_000)
    try:
        message_id = no_script.hub.message(no_script.hub.number(), connection=slug)
        no_script.page.goto(f"/messages/{message_id}")
        reload_until_visible(
            no_script.page, no_script.page.get_by_role("heading", name="Next attempt at")
        )
        press(no_script.page, "Cancel message")
        no_script.says("Message canceled. It was not sent.")
    finally:
        no_script.hub.set_faults(refuse=0)


@form("admin.lift_suppression")
def submit_lift_suppression(no_script: NoScriptBrowser) -> None:
    message_id = no_script.hub.message("+15005550004", "Stopped, bare")
    if no_script.hub.wait_for_status(message_id, "failed", "suppressed")["status"] == "failed":
        message_id = no_script.hub.message("+15005550004", "Stopped again, bare")
    no_script.page.goto(f"/messages/{message_id}")
    no_script.page.get_by_role("link", name="Remove opt-out…").click()
    press(no_script.page, "Remove opt-outs")
    no_script.says("Opt-out removed.")


@form("admin.remind")
def submit_remind(no_script: NoScriptBrowser) -> None:
    _, answer = no_script.hub.request(
        {"id": "anna", "name": "Anna Berg", "mobile_number": no_script.hub.number()}
    )
    no_script.page.goto(
        f"/requests/{no_script.hub.wait_for_status(answer['messages'][0]['id'])['request']}"
    )
    press(no_script.page, "Remind everyone who has not signed")
    no_script.says("1 reminder queued.")


@form("admin.signer_action")
def submit_signer_action(no_script: NoScriptBrowser) -> None:
    _, answer = no_script.hub.request(
        {"id": "anna", "name": "Anna Berg", "mobile_number": no_script.hub.number()}
    )
    no_script.page.goto(
        f"/requests/{no_script.hub.wait_for_status(answer['messages'][0]['id'])['request']}"
    )
    press(no_script.page, "Snooze for a day")
    no_script.says("Reminders snoozed until")
    press(no_script.page, "Resume reminders")
    no_script.says("Reminders resumed.")
    press(no_script.page, "Invite to a chat")
    expect(no_script.page.get_by_text("It works once and expires")).to_be_visible()


@form("admin.place_hold")
def submit_place_hold(no_script: NoScriptBrowser) -> None:
    open_evidence(no_script)
    no_script.page.get_by_label("Reason").fill("Case 12")
    press(no_script.page, "Place legal hold")
    no_script.says("Legal hold placed. Nothing about this request is deleted.")


@form("admin.remove_hold")
def submit_remove_hold(no_script: NoScriptBrowser) -> None:
    open_evidence(no_script)
    no_script.page.get_by_label("Reason").fill("Case 13")
    press(no_script.page, "Place legal hold")
    press(no_script.page, "Remove legal hold")
    no_script.says("Legal hold removed. Retention applies again.")


@form("admin.verify_evidence")
def submit_verify_evidence(no_script: NoScriptBrowser) -> None:
    open_evidence(no_script)
    with no_script.page.expect_download() as download:
        no_script.page.get_by_role("link", name="Download JSON").click()
    page = no_script.tabs(javascript=False)
    page.goto("/evidence")
    page.get_by_label("File").set_input_files(download.value.path())
    press(page, "Verify file")
    expect(page.get_by_text("The file is intact.")).to_be_visible()


def open_evidence(no_script: NoScriptBrowser) -> None:
    """Open the evidence of a new request."""
    _, answer = no_script.hub.request(
        {"id": "anna", "name": "Anna Berg", "mobile_number": no_script.hub.number()}
    )
    message = no_script.hub.wait_for_status(answer["messages"][0]["id"])
    no_script.page.goto(f"/requests/{message['request']}")
    no_script.page.get_by_role("link", name="Evidence").click()


@form("admin.confirm_action")
def submit_confirm_action(no_script: NoScriptBrowser) -> None:
    no_script.hub.request(
        {"id": "anna", "name": "Anna Berg", "mobile_number": no_script.hub.number()},
        title="Pressed bare",
    )
    page = no_script.tabs(javascript=False)
    page.goto(f"{no_script.hub.simulator_url}/simulator/teams")
    card = page.locator("article, li, .sp-post").filter(has_text="Pressed bare").last
    reload_until_visible(page, card)
    page.goto(card.get_by_role("link", name="Snooze for a day").get_attribute("href") or "")
    press(page, "For one day, snooze reminders to Anna Berg")
    expect(page.get_by_role("heading", name="Done")).to_be_visible()


@form("admin.change_posts")
def submit_change_posts(no_script: NoScriptBrowser) -> None:
    no_script.page.goto("/connections/demo-telegram")
    no_script.page.get_by_label("Reminder sent to signers").check()
    press(no_script.page, "Save events")
    no_script.says("Changes saved. They apply from the next event on.")
    expect(no_script.page.get_by_label("Reminder sent to signers")).to_be_checked()


@form("admin.invite_team")
def submit_invite_team(no_script: NoScriptBrowser) -> None:
    no_script.page.goto("/connections/demo-telegram")
    press(no_script.page, "Create link for another group")
    expect(no_script.page.get_by_text("?startgroup=")).to_be_visible()


@form("admin.replay_message")
def submit_replay_message(no_script: NoScriptBrowser) -> None:
    message_id = no_script.hub.message(no_script.hub.number(), "Told again, bare")
    no_script.hub.wait_for_status(message_id)
    no_script.page.goto(f"/messages/{message_id}")
    no_script.page.locator("#raw summary").click()
    press(no_script.page, "Replay callbacks")
    no_script.says("Nothing was missed.")


@form("admin.replay_callback")
def submit_replay_callback(no_script: NoScriptBrowser) -> None:
    sid = f"SM{secrets.token_hex(16)}"
    no_script.hub.call_back(sid, "delivered")
    no_script.page.goto("/receipts")
    reload_until_visible(no_script.page, no_script.row(sid))
    no_script.row(sid).get_by_role("button", name="Replay").click()
    no_script.says("1 callback could not be processed.")


# ── Inbox and templates ───────────────────────────────────────────────────────────────────────────
@form("admin.send_reply")
def submit_answer(no_script: NoScriptBrowser) -> None:
    open_newest_conversation(no_script, "Is this final, bare?")
    no_script.page.get_by_label("Your reply").fill("  ")
    press(no_script.page, "Send reply")
    expect(no_script.page.locator("#text-error")).to_contain_text("Enter the text of the reply.")
    no_script.page.get_by_label("Your reply").fill("Yes, it is, bare.")
    press(no_script.page, "Send reply")
    expect(no_script.page.locator(".sp-talk li").last).to_contain_text("Yes, it is, bare.")


@form("admin.mark_read")
def submit_mark_read(no_script: NoScriptBrowser) -> None:
    open_newest_conversation(no_script, "Just so that you know, bare.")
    press(no_script.page, "Mark as read")
    expect(no_script.row("Just so that you know, bare.").locator("strong")).to_have_count(0)


@form("admin.add_suppression")
def submit_add_suppression(no_script: NoScriptBrowser) -> None:
    no_script.page.goto("/opt-outs")
    no_script.page.get_by_label("Phone number or email address", exact=True).fill("317 555 0100")
    press(no_script.page, "Add opt-out")
    expect(no_script.page.locator("#address-error")).to_contain_text("+")
    no_script.page.get_by_label("Phone number or email address", exact=True).fill("+13175550188")
    press(no_script.page, "Add opt-out")
    no_script.says("is opted out. It receives no messages")


@form("admin.remove_opt_out")
def submit_remove_opt_out(no_script: NoScriptBrowser) -> None:
    no_script.page.goto("/opt-outs")
    no_script.page.get_by_label("Phone number or email address", exact=True).fill("+13175550189")
    press(no_script.page, "Add opt-out")
    no_script.row("+1 317-555-0189").get_by_role("link", name="Remove opt-out…").click()
    press(no_script.page, "Remove opt-out")
    expect(no_script.page.locator("#why-error")).to_contain_text("Enter the reason")
    no_script.page.get_by_label("Reason").fill("Asked us on the phone.")
    press(no_script.page, "Remove opt-out")
    no_script.says("This address can receive messages again.")


@form("admin.import_suppressions")
def submit_import_suppressions(no_script: NoScriptBrowser) -> None:
    no_script.page.goto("/opt-outs")
    lines = b"address,channel,why\n+13175550190,,Old list\nnonsense,sms,\n"
    no_script.page.get_by_label("CSV file").set_input_files(
        {"name": "old.csv", "mimeType": "text/csv", "buffer": lines}
    )
    press(no_script.page, "Import file")
    no_script.says("1 address was opted out.")
    no_script.says("Line 3:")


@form("admin.save_opt_out_rules")
def submit_save_opt_out_rules(no_script: NoScriptBrowser) -> None:
    no_script.page.goto("/settings/opt-out-words")
    no_script.page.get_by_label("Additional STOP keywords").fill("ABMELDEN")
    press(no_script.page, "Save changes")
    expect(no_script.page.locator("#stop-error")).to_contain_text("de: ABMELDEN")
    no_script.page.get_by_label("Additional STOP keywords").fill("de: ABMELDEN, STOPP")
    press(no_script.page, "Save changes")
    no_script.says("Changes saved.")
    expect(no_script.page.get_by_label("Additional STOP keywords")).to_have_value(
        "de: ABMELDEN, STOPP"
    )


@form("admin.save_link_shortener")
def submit_save_link_shortener(no_script: NoScriptBrowser) -> None:
    no_script.page.goto("/settings/short-links")
    service = no_script.page.get_by_role("form", name="Bitly")
    service.get_by_label("Access token").fill("a-token")
    service.get_by_label("Branded domain").fill("bit.ly")
    service.get_by_label("Group ID").fill("Bk1")
    press(no_script.page, "Test Bitly")
    expect(no_script.page.locator("#bitly-domain-error")).to_contain_text("Carriers filter SMS")
    service.get_by_label("Branded domain").fill("go.acme.example")
    press(no_script.page, "Test Bitly")
    no_script.says("Bitly accepted the token of Acme HR.")


@form("admin.remove_link_shortener")
def submit_remove_link_shortener(no_script: NoScriptBrowser) -> None:
    no_script.page.goto("/settings/short-links")
    service = no_script.page.get_by_role("form", name="Rebrandly")
    service.get_by_label("API key").fill("a-key")
    service.get_by_label("Branded domain").fill("go.acme.example")
    service.get_by_role("button", name="Save changes").click()
    no_script.page.get_by_role("link", name="Remove Rebrandly…").click()
    press(no_script.page, "Remove Rebrandly")
    no_script.says("Rebrandly was removed. SMS contain the short links of Signpost.")


@form("admin.record_consent")
def submit_record_consent(no_script: NoScriptBrowser) -> None:
    open_newest_conversation(no_script, "You may write to me, bare.")
    no_script.page.get_by_role("link", name="View contact").click()
    press(no_script.page, "Record consent")
    expect(no_script.page.locator("#proof-error, :invalid").first).to_be_visible()
    no_script.page.get_by_label("Evidence").fill("Said so on the phone.")
    press(no_script.page, "Record consent")
    no_script.says("Consent decision recorded")
    expect(no_script.row("Recorded manually")).to_contain_text("Consent given")


@form("admin.sync_templates")
def submit_sync_templates(no_script: NoScriptBrowser) -> None:
    no_script.page.goto("/templates")
    press(no_script.page, "Refresh templates")
    no_script.says("Fetched 9 templates.")


@form("admin.map_template")
def submit_map_template(no_script: NoScriptBrowser) -> None:
    no_script.page.goto("/templates")
    no_script.row("request_sent_pt_BR").get_by_role("link", name="Add mapping").click()
    no_script.page.get_by_label("{{2}}").select_option("title")
    press(no_script.page, "Preview")
    expect(no_script.page.locator("#preview")).to_contain_text("Employment Agreement enviou")
    no_script.page.get_by_label("{{2}}").select_option("sender")
    no_script.page.get_by_label("Language").fill("pt")
    press(no_script.page, "Save mapping")
    no_script.says("Mapping saved. Signpost uses request_sent_pt_BR for")


@form("admin.unmap_template")
def submit_unmap_template(no_script: NoScriptBrowser) -> None:
    no_script.page.goto("/templates")
    no_script.row("request_signed_actor_en_US").get_by_role("link", name="Remove mapping").click()
    press(no_script.page, "Remove mapping")
    no_script.says(
        "Mapping removed. Signpost no longer sends this template outside the 24-hour window."
    )
