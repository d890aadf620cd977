"""Forms of message texts, submitted without JavaScript."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.no_script_browser import NoScriptBrowser, form
from tests.browser.test_connecting import press
from tests.signing.test_text_files import po


def open_text(no_script: NoScriptBrowser, label: str) -> None:
    no_script.page.goto("/templates")
    no_script.page.get_by_role("link", name=label, exact=True).first.click()


@form("admin.edit_text")
def submit_edit_text(no_script: NoScriptBrowser) -> None:
    open_text(no_script, "To the other signers, SMS, pl")
    page = no_script.page
    page.get_by_label("For 1", exact=True).fill("Brakuje tylko jednego podpisu")
    press(page, "Preview")
    expect(page.locator("#preview")).to_contain_text("Brakuje tylko jednego podpisu")
    page.get_by_role("textbox", name="Text", exact=True).fill("((nobody))")
    press(page, "Publish text")
    expect(page.locator("#text-error")).to_contain_text("((nobody)) is not a value")
    page.get_by_role("textbox", name="Text", exact=True).fill("Podpisano: „((title))”")
    press(page, "Preview")
    press(page, "Replace characters")
    expect(page.get_by_role("textbox", name="Text", exact=True)).to_have_value(
        'Podpisano: "((title))"'
    )
    press(page, "Publish text")
    no_script.says("Version 2 published. New messages use it.")


@form("admin.restore_text")
def submit_restore_text(no_script: NoScriptBrowser) -> None:
    open_text(no_script, "Post to a team, Chat, de")
    page = no_script.page
    page.get_by_role("textbox", name="Text", exact=True).fill("((title))")
    press(page, "Publish text")
    page.get_by_role("link", name="Compare version 1").click()
    press(page, "Publish this version again")
    no_script.says("published again")


@form("admin.add_text")
def submit_add_text(no_script: NoScriptBrowser) -> None:
    open_text(no_script, "To observers, Email, en")
    page = no_script.page
    page.get_by_role("link", name="Add language or channel").click()
    page.get_by_label("Language").fill("it")
    press(page, "Add text")
    no_script.says("Text added as a draft.")


@form("admin.preview_email")
def submit_preview_email(no_script: NoScriptBrowser) -> None:
    open_text(no_script, "To observers, Email, en")
    page = no_script.page
    page.get_by_role("textbox", name="Text", exact=True).fill("A new text about ((title))")
    email = page.frame_locator("iframe[name=email]")
    for colors in ("light", "dark"):
        press(page, f"Show in {colors} colors")
        expect(email.get_by_text("A new text about Employment Agreement").last).to_be_visible()
    expect(page.get_by_role("textbox", name="Text", exact=True)).to_have_value(
        "A new text about ((title))"
    )


def upload(no_script: NoScriptBrowser, translation: str) -> None:
    no_script.page.goto("/templates")
    no_script.page.get_by_role("link", name="Import and export").click()
    content = po("pl", ("request_expired_others/sms/text", translation))
    no_script.page.get_by_label("File", exact=True).set_input_files(
        {"name": "pl.po", "mimeType": "text/plain", "buffer": content.encode()}
    )
    press(no_script.page, "Preview import")


@form("admin.preview_text_files")
def submit_preview_text_files(no_script: NoScriptBrowser) -> None:
    upload(no_script, "((titel))")
    no_script.says("1 error in the file")
    no_script.says("((titel)) is not a value.")


@form("admin.import_text_files")
def submit_import_text_files(no_script: NoScriptBrowser) -> None:
    upload(no_script, "Termin minął: ((title))")
    no_script.says("Preview: 1 text changes")
    press(no_script.page, "Save drafts")
    no_script.says("1 draft saved.")
