"""Every changed byte of a file is found, by this hub and by the verifier in JavaScript."""

from __future__ import annotations

import base64
import inspect
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from hub.evidence import hash_chain, signed_notes, signing_keys, verdict_text, verification
from hub.evidence.signed_notes import InvalidNote, VerifierKey
from hub.evidence.verification import Verdict
from hub.lib import canonical_json, commitments
from hub.shared import sentences
from hub.shared.sentences import LANGUAGES, has_sentence
from tests.effort import sized
from tests.evidence.conftest import VERIFIER, export_file, hub_keys, verify
from tests.evidence.conftest import request_id as request_id

NODE = shutil.which("node")
# verifies a file, then each of its changes, and prints the changes that were not found
TRY_CHANGES = """
import {verify} from "MODULE";
const {data, keys, step} = JSON.parse(await new Promise((done) => {
  let text = ""; process.stdin.on("data", (part) => text += part).on("end", () => done(text));
}));
const bytes = Buffer.from(data, "base64");
const missed = [];
let tried = 0;
for (let at = 0; at < bytes.length; at += step) {
  for (const change of [1, 2, 32, 128]) {
    const changed = Buffer.from(bytes);
    changed[at] ^= change;
    tried += 1;
    if (verify(changed, keys).length === 0) missed.push([at, change]);
  }
  const shorter = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
  const longer = Buffer.concat([bytes.subarray(0, at), Buffer.from(" "), bytes.subarray(at)]);
  if (verify(shorter, keys).length === 0) missed.push([at, "removed"]);
  if (verify(longer, keys).length === 0) missed.push([at, "inserted"]);
}
console.log(JSON.stringify({intact: verify(bytes, keys), missed, tried}));
"""
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
VERIFIER_KEY = VerifierKey("hub.example", KEY.public_key().public_bytes_raw())


def make_file(values: list[Any]) -> bytes:
    """Return a signed file with an entry for each value."""
    about = {
        "recorded_by": "https://hub.example",
        "request": {"id": "req_1", "external_id": "agr-1", "state": "completed"},
        "exported_at": "2026-11-30T00:00:00Z",
        "status": "closed",
    }
    entries = []
    kept = {}
    for number, value in enumerate(values):
        salt = commitments.new_salt()
        hashed = commitments.commit(salt, value).hex()
        entries.append({"id": str(number), "kind": "x", "at": None, "content": {"sha256": hashed}})
        kept[hashed] = {"salt": salt.hex(), "value": canonical_json.representable(value)}
    links = list(hash_chain.links(about, entries))
    head = links[-1] if links else hash_chain.first_link(about)
    text = hash_chain.note_text(VERIFIER_KEY.name, about, len(entries), head, kept)
    return canonical_json.encode(
        {
            "format": hash_chain.FORMAT,
            "about": about,
            "entries": [
                {"entry": entry, "hash": link.hex()}
                for entry, link in zip(entries, links, strict=True)
            ],
            "values": kept,
            "note": signed_notes.sign(text, VERIFIER_KEY, KEY.private_bytes_raw()),
        }
    )


@given(st.lists(json_values, max_size=4), st.data())
def test_any_changed_byte_is_found(values: list[Any], data: st.DataObject) -> None:
    file = make_file(values)
    assert verification.verify(file, [VERIFIER_KEY]).findings == []
    at = data.draw(st.integers(0, len(file) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != file[at]))
    changed = file[:at] + bytes([byte]) + file[at + 1 :]
    assert not verification.verify(changed, [VERIFIER_KEY]).is_intact
    assert not verification.verify(file[:at] + file[at + 1 :], [VERIFIER_KEY]).is_intact
    assert not verification.verify(file[:at] + b" " + file[at:], [VERIFIER_KEY]).is_intact


def test_every_byte_of_an_export_counts(request_id: str) -> None:
    data = export_file(request_id)
    keys = hub_keys()
    assert verification.verify(data, keys).findings == []
    for at in range(0, len(data), 7):
        changed = bytearray(data)
        changed[at] ^= 1
        assert not verification.verify(bytes(changed), keys).is_intact, at


@pytest.mark.skipif(NODE is None, reason="Node is not installed")
def test_verifier_in_javascript_finds_every_changed_byte(request_id: str) -> None:
    data = export_file(request_id)
    step = sized(long=1, short=11)  # bytes from one try to the next
    given = {
        "data": base64.b64encode(data).decode(),
        "keys": [str(key) for key in hub_keys()],
        "step": step,
    }
    done = subprocess.run(
        [str(NODE), "--input-type=module", "-e", TRY_CHANGES.replace("MODULE", VERIFIER.as_uri())],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["intact"] == []
    assert found["missed"] == []
    assert found["tried"] >= 4 * len(data) // step


@pytest.mark.skipif(NODE is None, reason="Node is not installed")
@pytest.mark.parametrize("key", ["", "signpost", "signpost+00000000+AAAA"])
def test_verifier_in_javascript_names_a_text_that_is_no_key(key: str, tmp_path: Path) -> None:
    path = tmp_path / "evidence.json"
    path.write_text("{}")
    done = subprocess.run(
        [str(NODE), str(VERIFIER), str(path), key], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == f"This is not a verifier key: {key}\n"


@pytest.mark.skipif(NODE is None, reason="Node is not installed")
@pytest.mark.parametrize(
    "value",
    [
        "plain",
        '日本語 👍 \u2028 \x7f \x1f \\ " /',
        {"10": 1, "9": 2, "ü": [None, True, -1], "𐀀": "", "\ufb01": {}},
        {"__proto__": 1, "constructor": 2},
        [2**53 - 1, -(2**53) + 1, 0],
        {"latitude": 48.1, "half": "\ud800"},
    ],
)
def test_both_verifiers_read_the_same_values(value: Any, tmp_path: Any) -> None:
    path = tmp_path / "evidence.json"
    path.write_bytes(make_file([value]))
    assert verification.verify(path.read_bytes(), [VERIFIER_KEY]).findings == []
    done = subprocess.run(
        [str(NODE), str(VERIFIER), str(path), str(VERIFIER_KEY)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("intact\n", 0)


def test_verdict_says_which_entry_was_changed(request_id: str) -> None:
    evidence = json.loads(export_file(request_id))
    evidence["entries"][3]["entry"]["by"] = "somebody"
    findings = verify(canonical_json.encode(evidence)).findings
    assert str(findings[0]).startswith("Entry 4 (")
    assert len(findings) == 2, "only this entry and the signature differ"


def test_verdict_says_which_value_was_changed(request_id: str) -> None:
    evidence = json.loads(export_file(request_id))
    hashed = next(name for name, item in evidence["values"].items() if item["value"] == "Eric")
    evidence["values"][hashed]["value"] = "Erik"
    findings = verify(canonical_json.encode(evidence)).findings
    assert "the value “name” was changed" in str(findings[0])


def test_removed_moved_and_added_entries_are_found(request_id: str) -> None:
    evidence = json.loads(export_file(request_id))
    entries = evidence["entries"]
    for changed in (entries[1:], entries[:-1], entries[::-1], [*entries, entries[0]], []):
        assert not verify(canonical_json.encode({**evidence, "entries": changed})).is_intact


def test_removed_values_are_found(request_id: str) -> None:
    evidence = json.loads(export_file(request_id))
    evidence["values"].popitem()
    findings = verify(canonical_json.encode(evidence)).findings
    assert list(map(str, findings)) == ["The values are not those that were signed."]


def test_evidence_that_another_key_signed_is_not_intact(request_id: str) -> None:
    assert not verification.verify(export_file(request_id), [VERIFIER_KEY]).is_intact


@given(st.binary(max_size=300) | json_values.map(lambda value: json.dumps(value).encode()))
def test_other_files_are_not_intact(data: bytes) -> None:
    verdict = verification.verify(data, [VERIFIER_KEY])
    assert not verdict.is_intact
    assert_is_described(verdict)


@given(json_values, st.sampled_from(["about", "entries", "values", "note", "format", "more"]))
def test_parts_of_another_form_are_not_intact(value: Any, part: str) -> None:
    evidence = json.loads(make_file(["text"]))
    changed = canonical_json.encode({**evidence, part: value})
    verdict = verification.verify(changed, [VERIFIER_KEY])
    assert not verdict.is_intact
    assert_is_described(verdict)


@given(json_values, st.sampled_from(["kind", "at", "content", "id"]), st.text(max_size=60))
def test_entries_of_another_form_are_described(value: Any, part: str, name: str) -> None:
    evidence = json.loads(make_file(["text"]))
    evidence["entries"][0]["entry"][part] = value
    evidence["entries"][0]["entry"][name] = evidence["entries"][0]["entry"]["content"]
    evidence["values"][name] = {"salt": "00", "value": value}
    verdict = verification.verify(json.dumps(evidence).encode(), [VERIFIER_KEY])
    assert not verdict.is_intact
    assert_is_described(verdict)


def assert_is_described(verdict: Verdict) -> None:
    """Check that every language has a complete sentence, without invisible characters."""
    for locale in LANGUAGES.values():
        for line in verdict_text.describe_for_visitor(verdict, locale):
            assert line.endswith(".")
            assert line.replace("\N{NO-BREAK SPACE}", " ").replace("\u202f", " ").isprintable()


def test_every_sentence_of_a_finding_exists() -> None:
    """Every name of a finding in the code has a sentence, and every sentence is used."""
    sources = [inspect.getsource(module) for module in (verification, signed_notes)]
    code = "".join(sources)
    keys = {*re.findall(r'Finding\(\s*"(\w+)"', code), *verification._PARTS}
    keys |= set(re.findall(r'"(signature_\w+)"', code))
    assert all(has_sentence(f"evidence_{key}") for key in keys)
    # the last of the sentences before those about findings, and the first after them
    names = list(sentences._sentences("en"))
    between = names[
        names.index("evidence_key_compromised") + 1 : names.index("evidence_problem_remedy_400")
    ]
    assert {name.removeprefix("evidence_") for name in between} == keys


def test_deeply_nested_json_is_not_intact() -> None:
    assert not verification.verify(b"[" * 100_000, [VERIFIER_KEY]).is_intact
    nested = b'{"about":' * 50_000
    assert not verification.verify(nested, [VERIFIER_KEY]).is_intact


def test_note_that_other_tools_signed_is_verified() -> None:
    """The example of Go's package golang.org/x/mod/sumdb/note, which has the same format."""
    key = VerifierKey.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    text = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n"
    )
    signature = (
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqf"
        "qdngotpRZb6KE6RyyBwJnAM="
    )
    note = f"{text}\n\N{EM DASH} PeterNeumann {signature}\n"
    assert signed_notes.open_note(note, [key]) == (text, key)


def test_malformed_notes_and_keys_are_refused() -> None:
    note = signed_notes.sign("text\n", VERIFIER_KEY, KEY.private_bytes_raw())
    assert signed_notes.open_note(note, [VERIFIER_KEY]) == ("text\n", VERIFIER_KEY)
    for bad in ("", "text\n", note[:-1], note.replace("text", "Text"), note + "\n", note * 2):
        with pytest.raises(InvalidNote):
            signed_notes.open_note(bad, [VERIFIER_KEY])
    for text in ("", "a+b", "a+00000000+AQ", str(VERIFIER_KEY)[:-1], f"x{VERIFIER_KEY}"):
        with pytest.raises(InvalidNote):
            VerifierKey.parse(text)


def test_files_of_a_retired_key_stay_valid(request_id: str) -> None:
    before = export_file(request_id)
    first = signing_keys.list_keys()[0]
    former_key = signing_keys.verifier_key(first)
    signing_keys.rotate()
    after = export_file(request_id)
    newest, retired = signing_keys.list_keys()
    assert verify(before).key == former_key
    assert verify(after).key == signing_keys.verifier_key(newest)
    assert retired.private is None
    text, signer = signed_notes.open_note(retired.succession, [former_key])
    assert (text.split("\n")[1], signer) == (str(signing_keys.verifier_key(newest)), former_key)


def test_compromised_key_does_not_confirm_the_next_one(hub_demo: Flask) -> None:
    signing_keys.sign("text\n")
    signing_keys.rotate(compromised=True)
    retired = signing_keys.list_keys()[1]
    assert (retired.compromised, retired.succession, retired.private) == (True, "", None)
