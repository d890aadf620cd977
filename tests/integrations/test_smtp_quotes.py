"""Replies as mail programs write them in many languages: only what the person wrote counts."""

from __future__ import annotations

import time
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.integrations.base import Inbound
from hub.integrations.smtp.inbound import events_of
from hub.integrations.smtp.quotes import own_text, text_of_html
from hub.messaging.contacts.keywords import Keyword, recognize_keyword
from tests.effort import examples
from tests.integrations.test_smtp_inbound import MESSAGE, SETTINGS, reply

WHO = "Acme <sign@acme.example>"
# the line that a program writes above a quote
ATTRIBUTIONS = {
    "English": f"On Mon, Nov 30, 2026 at 7:15 AM {WHO} wrote:",
    "English, wrapped": f"On Mon, Nov 30, 2026 at 7:15 AM Acme Documents of Eric\n{WHO} wrote:",
    "English, wrapped late": f"On Mon, Nov 30, 2026 at 7:15 AM {WHO}\nwrote:",
    "German": f"Am Mo., 30. Nov. 2026 um 07:15 Uhr schrieb {WHO}:",
    "French": f"Le lun. 30 nov. 2026 à 07:15, {WHO} a écrit :",
    "Spanish": "El lun, 30 nov 2026 a las 7:15, Acme (<sign@acme.example>) escribió:",
    "Italian": f"Il giorno lun 30 nov 2026 alle ore 07:15 {WHO} ha scritto:",
    "Portuguese": f"Em seg., 30 de nov. de 2026 às 07:15, {WHO} escreveu:",
    "Dutch": f"Op ma 30 nov 2026 om 07:15 schreef {WHO}:",
    "Swedish": f"Den mån 30 nov. 2026 kl 07:15 skrev {WHO}:",
    "Polish": f"pon., 30 lis 2026 o 07:15 {WHO} napisał(a):",
    "Czech": f"po 30. 11. 2026 v 7:15 odesílatel {WHO} napsal:",
    "Turkish": f"{WHO}, 30 Kas 2026 Pzt, 07:15 tarihinde şunu yazdı:",
    "Russian": f"пн, 30 нояб. 2026 г. в 07:15, {WHO}:",
    "Ukrainian": f"пн, 30 лист. 2026 р. о 07:15 {WHO} пише:",
    "Arabic": "في الاثنين، 30 نوفمبر 2026 في 7:15 ص Acme <\nsign@acme.example>:",
    "Chinese": f"{WHO} 于2026年11月30日周一 07:15写道：",
    "Japanese": f"2026年11月30日(月) 7:15 {WHO}:",
}
# the header that other programs write above the message that they answer
HEADERS = {
    "English": f"From: {WHO}\nSent: Monday\nTo: Eric\nSubject: Please sign",
    "English, bold": f"*From:* {WHO}\n*Sent:* Monday\n*To:* Eric",
    "German": f"Von: {WHO}\nGesendet: Montag\nAn: Eric",
    "French": f"De : {WHO}\nEnvoyé : lundi\nÀ : Eric",
    "Spanish": f"De: {WHO}\nEnviado el: lunes\nPara: Eric",
    "Italian": f"Da: {WHO}\nInviato: lunedì\nA: Eric",
    "Dutch": f"Van: {WHO}\nVerzonden: maandag\nAan: Eric",
    "Russian": f"От: {WHO}\nОтправлено: понедельник\nКому: Eric",
    "Chinese": f"发件人: {WHO}\n发送时间: 2026\n收件人: Eric",
    "with a rule": f"{'_' * 32}\nFrom: {WHO}",
    "with words": "-----Ursprüngliche Nachricht-----\nAcme",
}
ADDED = [
    "",
    "Sent from my iPhone\n\n",
    "Von meinem iPhone gesendet\n\n",
    "Envoyé de mon iPhone\n\n",
    "Enviado desde mi iPhone\n\n",
    "Inviato da iPhone\n\n",
    "Отправлено с iPhone\n\n",
    "发自我的iPhone\n\n",
    "Get Outlook for iOS<https://aka.ms/o0ukef>\n\n",
]
QUOTES = [
    *(f"{line}\n\n> Please sign\n> STOP ends messages\n" for line in ATTRIBUTIONS.values()),
    *(f"{line}\n\nPlease sign\n" for line in ATTRIBUTIONS.values()),
    *(f"{header}\n\nPlease sign\n" for header in HEADERS.values()),
    "On Monday, Acme wrote:\n> Please sign\n",
    f"On Monday, {WHO} wrote:\n> Please sign\n",
    "-- \nEric Smith\nCEO\n",
    "> Please sign\n> https://sign.example\n",
]


def text_of(content: bytes) -> str:
    [found] = events_of(content, SETTINGS)
    assert isinstance(found, Inbound)
    return found.text


def html_reply(content: str) -> str:
    message = EmailMessage()
    message["From"] = "eric@example.com"
    message["In-Reply-To"] = f"<{MESSAGE}@acme.example>"
    message.set_content(content, subtype="html")
    return text_of(message.as_bytes())


@pytest.mark.parametrize("quote", QUOTES)
def test_stop_above_any_quote_is_a_keyword(quote: str) -> None:
    for added in ADDED:
        text = text_of(reply(f"Stop\n\n{added}{quote}"))
        assert recognize_keyword(text) == Keyword.STOP, text


@pytest.mark.parametrize("line", ATTRIBUTIONS.values())
def test_reply_below_a_quote_is_read(line: str) -> None:
    assert text_of(reply(f"{line}\n> Please sign\n>\n\nI cannot open it.\n")) == "I cannot open it."


def test_answers_between_quoted_lines_are_read() -> None:
    content = reply("> Is the date right?\n\nNo, it is May 3.\n\n> And the name?\n\nYes.\n")
    assert text_of(content) == "No, it is May 3.\n\n\nYes."


def test_sentence_above_a_quote_stays_if_text_follows() -> None:
    content = reply("Hello,\n\nmy answer to this:\n> And the name?\n\nis Eric.\n")
    assert text_of(content) == "Hello,\n\nmy answer to this:\n\nis Eric."


@pytest.mark.parametrize(
    "text",
    [
        "On the second page there is one problem:\n\nThe name is wrong.",
        "Am Montag habe ich das gefunden:\nDie Seite 2 fehlt.",
        "From: the start it was wrong.\nI cannot sign.",
        "Name: Eric\nPhone: 555 0100\nEmail: eric@example.com",
        "My number is below.\n\n- one\n- two --\n-",
        "Please call at 10:15: I am at home.",
        "My comments:\n\n1. The name",
        "1 > 2 is wrong\nx<y@z>",
        "STOP sending this to my old address",
    ],
)
def test_text_that_looks_like_a_quote_stays(text: str) -> None:
    assert text_of(reply(text)) == text


@given(st.text(st.characters(exclude_categories=("C", "Z")) | st.sampled_from(" \n"), max_size=300))
@settings(max_examples=examples(200))
def test_text_without_quotes_stays_whole(text: str) -> None:
    plain = "\n".join(line.rstrip() for line in text.replace(">", "").split("\n")).strip()
    plain = plain.replace(":", "").replace("：", "").replace("-", "").replace("_", "")
    if not plain.lower().startswith(("sent", "get", "von")):
        assert own_text(plain) == plain.strip()


HTML_REPLIES = {
    "Gmail": (
        '<div dir="ltr">STOP</div><br><div class="gmail_quote"><div class="gmail_attr">On Mon, Nov'
        ' 30, 2026 at 7:15&nbsp;AM Acme &lt;<a href="mailto:sign@acme.example">sign@acme.example'
        "</a>&gt; wrote:<br></div><blockquote><p>Please sign</p><p>Thanks</p></blockquote></div>"
    ),
    "Outlook": (
        "<html><head><title>Re</title><style>p{margin:0}</style></head><body><div>STOP</div>"
        '<hr tabindex="-1"><div><b>From:</b> Acme<br><b>Sent:</b> Monday</div>Please</body></html>'
    ),
    "Word": (
        "<p class=MsoNormal>STOP<o:p></o:p></p><p><o:p>&nbsp;</o:p></p><div><p><b>Von:</b> Acme<br>"
        "<b>Gesendet:</b> Montag</p></div><p>Bitte</p>"
    ),
    "Apple": (
        "<!-- <p>hidden</p> --><body>STOP<br><div><br><blockquote><div>On Nov 30, 2026, at 7:15 AM,"
        " Acme wrote:<br></div></blockquote></div><blockquote>Please</blockquote></body>"
    ),
}


@pytest.mark.parametrize("program", HTML_REPLIES)
def test_html_reply_is_read_without_the_quote(program: str) -> None:
    assert html_reply(HTML_REPLIES[program]) == "STOP"


def test_html_reply_has_its_characters() -> None:
    text = html_reply(
        "<p>I don&#39;t &amp; won&rsquo;t sign &lt;this&gt;</p><script>x > 1</script>"
    )
    assert text == "I don't & won’t sign <this>"


@pytest.mark.parametrize(
    "piece", ["-", "<", "<!--", "<style>", "<blockquote>", "&#", "a:\n>b\n", "<a@", "\n", "\n\n>\n"]
)
def test_reading_takes_no_longer_than_the_email_is_long(piece: str) -> None:
    text = piece * (2_000_000 // len(piece))
    started = time.process_time()
    own_text(text)
    text_of_html(text)
    assert time.process_time() - started < 10
