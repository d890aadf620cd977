"""Pages of evidence: read it, download it, hold it, and verify a file without signing in."""

from __future__ import annotations

import re
import signal
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from flask import Flask

from hub.admin.evidence.entry_lines import pdf_lines
from hub.connections import demo
from hub.core.vocabulary import Role
from hub.evidence import holds, signing_keys
from hub.evidence.pdf import PdfLine, write_pdf
from hub.evidence.verdict_text import describe_for_visitor
from hub.evidence.verification import Verdict
from hub.lib import canonical_json
from hub.shared.sentences import LANGUAGES, sentence
from tests.conftest import Browser, config_of
from tests.evidence.conftest import entries_of, export_file, hub_keys, verify
from tests.hub_fixtures import (
    ERIC,
    SigningApp,
    deliver,
    event_body,
    json_of,
    message,
    post_callback,
    process_pending_callbacks,
    signer_body,
    status_form,
    status_target,
)
from tests.public_texts import find_english, visible_text

Run = Callable[..., Any]


@pytest.fixture
def run(app: Flask) -> Run:
    """Return a function that calls another in the application's context."""

    def call(function: Callable[..., Any], *arguments: Any) -> Any:
        with app.app_context():
            return function(*arguments)

    return call


@pytest.fixture
def request_id(app: Flask, simulator: Any, run: Run) -> Iterator[str]:
    """Return a request that was sent to Eric and delivered."""
    before = signal.getsignal(signal.SIGTERM)
    run(demo.prepare)
    key = (config_of(app).data_dir / "demo-key").read_text().strip()
    event = event_body("request.sent", signers=[signer_body("Eric", ERIC)])
    answer = json_of(SigningApp(app.test_client(), key).post("/events", event))
    run(deliver)
    message_id = answer["messages"][0]["id"]
    sid, stored = run(lambda: (message(message_id).provider_id, message(message_id).request_id))
    for status in ("sent", "delivered"):
        post_callback(app, status_form(app, sid, status), target=status_target(message_id))
    run(process_pending_callbacks)
    yield stored
    signal.signal(signal.SIGTERM, before)


def attached_files(pdf: bytes) -> list[bytes]:
    """Return the streams of a PDF, decompressed."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    files = []
    for stream in streams:
        try:
            files.append(zlib.decompress(stream))
        except zlib.error:
            files.append(stream)
    return files


def test_page_lists_every_entry(request_id: str, admin: Browser, run: Run) -> None:
    assert f"/requests/{request_id}/evidence" in admin.get(f"/requests/{request_id}").text
    page = admin.get(f"/requests/{request_id}/evidence")
    assert page.status_code == 200
    assert page.text.count("<tr>") == len(entries_of(run(export_file, request_id))) + 1
    for text in ("SMS to +1 317-555-1234", "Delivered: +1 317-555-1234", "Interim", "Demo SMS"):
        assert text in page.text
    assert "certif" not in page.text.lower()


def test_downloaded_file_is_intact(request_id: str, admin: Browser, run: Run) -> None:
    answer = admin.get(f"/requests/{request_id}/evidence.json")
    assert run(verify, answer.data).is_intact
    assert f"evidence-{request_id}.json" in answer.headers["Content-Disposition"]
    assert "Downloaded the evidence of a request" in admin.get("/activity").text
    assert entries_of(run(export_file, request_id), "action") == []


def test_pdf_has_the_file_attached(request_id: str, admin: Browser, run: Run) -> None:
    answer = admin.get(f"/requests/{request_id}/evidence.pdf")
    assert answer.content_type == "application/pdf"
    assert answer.data.startswith(b"%PDF-")
    [file] = [file for file in attached_files(answer.data) if file.startswith(b'{"about"')]
    assert run(verify, file).is_intact


@pytest.mark.parametrize(
    "text",
    [
        "Grüße, Ελληνικά, Кириллица, Việt",
        "日本語 中文 한국어 مرحبا שלום नमस्ते สวัสดี ខ្មែរ தமிழ் తెలుగు",
        "👍 👨‍👩‍👧 🇩🇪 \ue000 𐌰 \U0010fffd বাংলা አማርኛ",
        '#[x] $ * _ ` " \\u{41} #import "@preview/x" <script> // */',
        "\x00\x01\x7f\u2028\u202e\ufffe\uffff e\u0301\u0301\u0301 \u200b\ufeff",
        "\ud800 half",
        "".join(map(chr, range(0x20, 0x0800))),
        "".join(map(chr, range(0x1F300, 0x1F700))),
        "x" * 5_000,
        "",
    ],
)
def test_pdf_is_written_for_any_text(text: str) -> None:
    evidence = evidence_of(text)
    pdf = write_pdf(evidence, [PdfLine("2026-11-30 00:00:00", text, text, text)])
    assert pdf.startswith(b"%PDF-")
    assert canonical_json.encode(evidence) in attached_files(pdf)
    assert b"<pdfaid:part>3</pdfaid:part>" in pdf, "characters without a glyph were replaced"


@pytest.mark.parametrize("letters", ["x", "https://sign.example/?a=", "Ж", "漢", "한", "ก", "👍"])
def test_words_of_any_length_stay_on_the_page(letters: str) -> None:
    """A line that does not break would end outside the page, as a long link did."""
    word = letters * (12_000 // len(letters))
    line = PdfLine("2026-11-30 00:00:00", "Signer named", word, "Signing app")
    pdf = write_pdf(evidence_of("1"), [line])
    assert max(map(int, re.findall(rb"/Count (\d+)", pdf))) >= 3


def test_numbers_beside_right_to_left_names_keep_their_order() -> None:
    evidence = {
        "entries": [
            {
                "entry": {
                    "kind": "person.stored",
                    "role": "signer",
                    "by": "app",
                    "at": "2026-11-30T00:00:00Z",
                    "name": {"sha256": "1"},
                    "mobile_number": {"sha256": "2"},
                }
            }
        ],
        "values": {"1": {"value": "محمد علي"}, "2": {"value": "+13175551234"}},
    }
    [line] = pdf_lines(evidence)
    assert line.text == "\u2068محمد علي\u2069, +1 317-555-1234"
    pages = write_pdf(evidence_of("1"), [line])
    assert b"<pdfaid:part>3</pdfaid:part>" in pages


def evidence_of(text: str) -> dict[str, Any]:
    """Return evidence with one entry, whose text and request have this text."""
    evidence: dict[str, Any] = {
        "about": {
            "recorded_by": "https://hub.example",
            "exported_at": "2026-11-30T00:00:00.000000Z",
            "status": "closed",
            "request": {
                "id": "req_1",
                "external_id": text[:200],
                "source": None,
                "state": "completed",
                "state_at": None,
            },
        },
        "entries": [{"entry": {"text": text}, "hash": "00"}],
        "values": {},
    }
    described: dict[str, Any] = canonical_json.representable(evidence)
    return described


def test_hold_is_placed_and_removed(request_id: str, admin: Browser, run: Run) -> None:
    answer = admin.post(f"/requests/{request_id}/hold", {"reason": ""})
    assert (answer.status_code, "Enter a reason" in answer.text) == (422, True)
    admin.post(f"/requests/{request_id}/hold", {"reason": "Case 12"})
    assert run(holds.find_hold, request_id)
    page = admin.get(f"/requests/{request_id}/evidence").text
    assert "Case 12" in page
    assert "Remove legal hold" in page
    assert admin.post(f"/requests/{request_id}/hold", {"reason": "Again"}).status_code == 422
    admin.post(f"/requests/{request_id}/hold/remove")
    assert "Place legal hold" in admin.get(f"/requests/{request_id}/evidence").text
    answer = admin.post(f"/requests/{request_id}/hold/remove", follow_redirects=True)
    assert "no legal hold" in answer.text


def test_operator_does_not_read_evidence(request_id: str, browser_for: Any) -> None:
    operator = browser_for(Role.OPERATOR)
    assert "/evidence" not in operator.get(f"/requests/{request_id}").text
    assert operator.get(f"/requests/{request_id}/evidence").status_code == 403


def verify_on_page(app: Flask, data: bytes | None, languages: str = "") -> Any:
    """Return the public page after a visitor posted a file."""
    visitor = Browser(app)
    fields = {} if data is None else {"file": (BytesIO(data), "evidence.json")}
    headers = {"Accept-Language": languages} if languages else {}
    return visitor.post("/evidence", fields, content_type="multipart/form-data", headers=headers)


def test_visitor_verifies_a_file(request_id: str, app: Flask, run: Run) -> None:
    data = run(export_file, request_id)
    assert "The file is intact." in verify_on_page(app, data).text
    changed = verify_on_page(app, data.replace(b"Eric", b"Erik")).text
    assert "The file is not intact." in changed
    assert "was changed" in changed
    assert "The file is not intact." in verify_on_page(app, b"\x00\xff").text
    assert "The file is empty." in verify_on_page(app, b"").text
    pdf = verify_on_page(app, b"%PDF-1.7\n").text
    assert "This is a PDF." in pdf
    assert "The file is not intact." not in pdf
    assert verify_on_page(app, None).status_code == 422
    # raw, because the test client keeps a large form in a separate file
    answer = Browser(app).client.post(
        "/evidence", data=b"x" * 5_000_000, content_type="multipart/form-data; boundary=x"
    )
    assert answer.status_code == 413


def test_public_keys_are_listed(request_id: str, app: Flask, run: Run) -> None:
    run(export_file, request_id)
    run(signing_keys.rotate)
    run(lambda: signing_keys.rotate(compromised=True))
    visitor = Browser(app)
    lines = visitor.get("/evidence/keys").text.splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == [
        str(key) for key in run(hub_keys)
    ]
    assert sum("Compromised" in line for line in lines) == 1
    page = visitor.get("/evidence").text
    assert [page.count(state) for state in ("In use", "Retired", "Compromised")] == [1, 1, 1]


def test_visitors_of_one_network_are_rate_limited(app: Flask) -> None:
    for _ in range(20):
        assert verify_on_page(app, b"{}").status_code == 200
    answer = verify_on_page(app, b"{}")
    assert answer.status_code == 429
    assert "Too many files were verified from your network." in answer.text
    assert int(answer.headers["Retry-After"]) <= 60
    assert "Aus Ihrem Netzwerk" in verify_on_page(app, b"{}", "de").text


# ── Languages of visitors ─────────────────────────────────────────────────────────────────────────
OTHERS = sorted(set(LANGUAGES.values()) - {"en"})


@pytest.mark.parametrize("locale", OTHERS)
def test_page_is_in_the_language_of_the_browser(
    request_id: str, app: Flask, run: Run, locale: str
) -> None:
    data = run(export_file, request_id)
    run(lambda: signing_keys.rotate(compromised=True))
    run(signing_keys.rotate)
    pages = {
        "empty": Browser(app).get("/evidence", headers={"Accept-Language": f"sv, {locale}"}),
        "intact": verify_on_page(app, data, locale),
        "changed": verify_on_page(app, data.replace(b"Eric", b"Erik"), locale),
        "strange": verify_on_page(app, b"\x00\xff", locale),
        "PDF": verify_on_page(app, b"%PDF-1.7", locale),
        "no file": verify_on_page(app, None, locale),
        "no token": app.test_client().post("/evidence", headers={"Accept-Language": locale}),
        "large": Browser(app).client.post(
            "/evidence",
            data=b"x" * 5_000_000,
            content_type="multipart/form-data; boundary=x",
            headers={"Accept-Language": locale},
        ),
    }
    for name, page in pages.items():
        assert f'<html lang="{locale}">' in page.text, name
        shown = re.sub(
            r"\([a-z]+\.[a-z]+, |localhost\S*|hub evidence verify", " ", visible_text(page.text)
        )
        assert not find_english(shown, locale), name
    assert sentence("evidence_intact", locale) in pages["intact"].text
    assert sentence("request_open", locale) in visible_text(pages["intact"].text)
    assert sentence("evidence_not_intact", locale) in pages["changed"].text
    assert sentence("evidence_file_missing", locale) in visible_text(pages["no file"].text)
    assert pages["no file"].status_code == 422
    assert sentence("evidence_problem_title_413", locale) in visible_text(pages["large"].text)
    assert sentence("evidence_problem_remedy_400", locale) in visible_text(pages["no token"].text)


def test_page_is_in_english_for_other_languages(app: Flask) -> None:
    page = Browser(app).get("/evidence", headers={"Accept-Language": "sv"})
    assert '<html lang="en">' in page.text
    assert "Verify evidence" in page.text


def test_known_key_may_sign_anything(app: Flask) -> None:
    """A compromised key signs values of any kind, and the page still describes the file."""
    for about in (
        {"exported_at": "soon", "recorded_by": None, "request": {"id": "", "state": "lost"}},
        {"exported_at": 5, "recorded_by": ["\u202e"], "request": {"id": "a", "external_id": {}}},
    ):
        lines = describe_for_visitor(Verdict(about={**about, "status": "x"}), "de")
        assert len(lines) == 3
        assert "\u202e" not in "".join(lines)
