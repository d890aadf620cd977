"""Emails as the strict parser of Python and two of Node read them, in 13 alphabets."""

from __future__ import annotations

import json
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest

from hub.integrations.base import AttachedFile
from hub.integrations.branding import Branding
from tests.integrations.test_smtp import (
    ALPHABETS,
    BRANDING,
    URL,
    check_lines,
    name_in,
    parsed,
    sent,
    text_of,
)
from tests.npm_packages import install_packages

FOLDER = Path(__file__).parent / "mail_parsers"
ONE_CLICK = "List-Unsubscribe=One-Click"
LINE = f"List-Unsubscribe: <{URL}>\r\n".encode()


def title(name: str) -> str:
    return " ".join([ALPHABETS[name]] * 8)[:150].strip()


def letter(name: str) -> bytes:
    """Return an email in one alphabet with everything that an email can have."""
    return sent(
        subject=title(name),
        sender_name=ALPHABETS[name],
        text=title(name),
        unsubscribe_url=URL,
        reminds=True,
        request="req_9",
        branding=Branding(
            ALPHABETS[name], footer=ALPHABETS[name], logo=BRANDING.logo, logo_type="image/png"
        ),
        attachments=(AttachedFile(f"{ALPHABETS[name]}.pdf", "application/pdf", b"%PDF-1.7"),),
    )


@pytest.mark.parametrize("name", ALPHABETS)
def test_python_reads_every_alphabet_strictly(name: str) -> None:
    content = letter(name)
    check_lines(content)
    message = parsed(content)
    assert message["Subject"] == title(name)
    assert name_in(content) == ALPHABETS[name]
    assert text_of(message, "plain").startswith(title(name))
    assert title(name) in text_of(message, "html")
    assert LINE in content
    assert message["List-Unsubscribe-Post"] == ONE_CLICK
    [file] = list(message.iter_attachments())
    assert (file.get_filename(), file.get_content()) == (f"{ALPHABETS[name]}.pdf", b"%PDF-1.7")


def test_node_parsers_read_every_alphabet(request: pytest.FixtureRequest) -> None:
    folder = install_packages(FOLDER, request)
    raw = json.dumps([b64encode(letter(name)).decode() for name in ALPHABETS])
    ran = subprocess.run(
        ["node", "parse.mjs"], cwd=folder, input=raw, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    for name, parsers in zip(ALPHABETS, json.loads(ran.stdout), strict=True):
        for parser, found in parsers.items():
            about = (parser, name)
            assert found["subject"] == title(name), about
            assert found["name"] == ALPHABETS[name], about
            assert found["text"].startswith(title(name)), about
            assert title(name) in found["html"], about
            assert found["unsubscribe"] == f"<{URL}>", about
            assert found["post"] == ONE_CLICK, about
            assert f"{ALPHABETS[name]}.pdf" in found["files"], about
