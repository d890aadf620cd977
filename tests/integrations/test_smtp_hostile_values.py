"""Values that look like encoded words add no lines, and addresses are short enough."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from hub.integrations.api import ConfigForm
from hub.integrations.base import AttachedFile
from hub.integrations.sendgrid.form import SendGridForm
from hub.integrations.smtp.form import SmtpForm
from hub.integrations.smtp.return_paths import return_address
from tests.effort import examples
from tests.integrations.test_smtp import check_lines, name_in, parsed, sent

ATTACK = "=?utf-8?q?x=0d=0aX-Evil:_1=0d=0a=0d=0abody?="
# pieces of encoded words, which are put together in any order
PIECES = st.lists(
    st.sampled_from(
        ["=?utf-8?q?", "=?utf-8?b?", "?=", "=0d=0a", "DQo=", "X-Evil: 1", " ", "a", "ж", '"', "\\"]
    ),
    min_size=1,
    max_size=12,
).map("".join)


def test_encoded_word_in_a_value_is_not_decoded() -> None:
    content = sent(subject=ATTACK, sender_name=ATTACK)
    check_lines(content)
    message = parsed(content)
    assert message["Subject"] == ATTACK
    assert name_in(content) == ATTACK
    assert message["X-Evil"] is None


@given(PIECES, PIECES, PIECES)
@settings(max_examples=examples(200))
def test_parts_of_encoded_words_add_no_lines(subject: str, name: str, file: str) -> None:
    plain = AttachedFile("a.pdf", "application/pdf", b"%PDF")
    content = sent(
        subject=subject,
        sender_name=name,
        attachments=(AttachedFile(f"{file}.pdf", "application/pdf", b"%PDF"),),
    )
    check_lines(content)
    message = parsed(content)
    assert message.keys() == parsed(sent(attachments=(plain,))).keys()
    if subject.strip():
        assert message["Subject"] == subject.strip()
    [found] = list(message.iter_attachments())
    assert found.keys() == [
        "Content-Type",
        "Content-Transfer-Encoding",
        "Content-Disposition",
        "MIME-Version",
    ]
    assert found.get_content() == b"%PDF"


@pytest.mark.parametrize(
    ("name", "read"),
    [
        (f"{ATTACK}.pdf", f"{ATTACK}.pdf".replace("=?", "=_")),
        ("a\r\nX-Evil: 1.pdf", "a X-Evil: 1.pdf"),
        ("a\0b.pdf", "ab.pdf"),
        ('Жалоба "№1".pdf', 'Жалоба "№1".pdf'),
        ("日本" * 60 + ".pdf", "日本" * 60 + ".pdf"),
    ],
)
def test_file_name_adds_no_header(name: str, read: str) -> None:
    content = sent(attachments=(AttachedFile(name, "application/pdf", b"%PDF"),))
    check_lines(content)
    [file] = list(parsed(content).iter_attachments())
    assert file.get_filename() == read
    assert file["X-Evil"] is None


def test_sender_with_other_letters_before_the_at_sign_receives_no_replies() -> None:
    message = parsed(sent(sender_address="жук@почта.example", settings={"reply_to": "sender"}))
    assert message["Reply-To"] == "replies@acme.example"
    assert parsed(sent(sender_address="a@bücher.example"))["Reply-To"] == "a@xn--bcher-kva.example"


def test_settings_refuse_a_reply_address_that_servers_do_not_accept() -> None:
    form = SmtpForm(MultiDict({"reply_address": "жук@почта.example"}))
    assert not form.validate()
    assert "ASCII letters before the @" in form.reply_address.errors[0]
    form = SmtpForm(MultiDict({"reply_address": "a@bücher.example", "from_name": "Acme\r\nHR"}))
    form.validate()
    assert not form.reply_address.errors
    assert form.from_name.data == "Acme HR"


@pytest.mark.parametrize("form_class", [SmtpForm, SendGridForm])
def test_settings_refuse_a_from_address_that_servers_do_not_accept(
    form_class: type[ConfigForm],
) -> None:
    form = form_class(MultiDict({"from_address": "zoë@bücher.example"}))
    assert not form.validate()
    assert "ASCII letters before the @" in form["from_address"].errors[0]
    form = form_class(MultiDict({"from_address": "zoe@bücher.example"}))
    form.validate()
    assert not form["from_address"].errors


@pytest.mark.parametrize(
    ("address", "is_valid"),
    [
        ("bounces@acme.example", True),
        (f"{'b' * 31}@acme.example", True),
        (f"{'b' * 32}@acme.example", False),
        ("жук@почта.example", False),
    ],
)
def test_return_address_leaves_room_for_the_id(address: str, is_valid: bool) -> None:
    form = SmtpForm(MultiDict({"bounce_address": address}))
    form.validate()
    assert (not form.bounce_address.errors) is is_valid
    if is_valid:
        used = return_address("msg_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c", address)
        assert len(used.rpartition("@")[0]) <= 64
