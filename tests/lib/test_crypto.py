"""Encryption: a value decrypts only in its own field and row, with its own key."""

from __future__ import annotations

import hmac

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from hub.core.errors import DecryptionError
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import new_id, now
from hub.lib.crypto import EncryptedField, Keyring, blind_index, digest, read_key_id
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.models import Contact, Signer, SigningRequest, Source

OLD = bytes(range(32))
NEW = bytes(range(1, 33))
RING = Keyring([("k2", NEW), ("k1", OLD)])
ROW = "019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c"
PLACE = (EncryptedField("messages", "content"), ROW)
texts = st.text(max_size=40)


@given(plain=st.binary(max_size=200), table=texts, row=texts, field=texts)
def test_encrypted_value_decrypts_in_its_own_field(
    plain: bytes, table: str, row: str, field: str
) -> None:
    sealed = RING.seal(EncryptedField(table, field), row, plain)
    assert RING.open(EncryptedField(table, field), row, sealed) == plain
    assert plain not in sealed or len(plain) < 4


@given(table=texts, row=texts, plain=st.binary(max_size=40))
def test_encrypted_value_matches_the_documented_format(table: str, row: str, plain: bytes) -> None:
    sealed = RING.seal(EncryptedField(table, "field"), row, plain)
    key = HKDF(SHA256(), 32, None, f"{table}\0{row}".encode()).derive(NEW)
    assert sealed[:4] == b"\x01\x02k2"
    assert AESGCM(key).decrypt(sealed[4:16], sealed[16:], b"k2\0field") == plain


@pytest.mark.parametrize(
    "elsewhere",
    [
        (EncryptedField("elsewhere", "content"), ROW),
        (EncryptedField("messages", "elsewhere"), ROW),
        (EncryptedField("messages", "content"), "elsewhere"),
    ],
)
def test_copied_value_does_not_decrypt(elsewhere: tuple[EncryptedField, str]) -> None:
    sealed = RING.seal(*PLACE, b"secret")
    with pytest.raises(DecryptionError, match="k2"):
        RING.open(*elsewhere, sealed)


@given(data=st.data())
def test_value_with_one_changed_byte_does_not_decrypt(data: st.DataObject) -> None:
    sealed = bytearray(RING.seal(*PLACE, b"secret"))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DecryptionError):
        RING.open(*PLACE, bytes(sealed))


@given(junk=st.binary(max_size=60))
def test_invalid_ciphertext_is_refused_with_the_reason(junk: bytes) -> None:
    with pytest.raises(DecryptionError, match=r"\.$"):
        RING.open(*PLACE, junk)


@given(length=st.integers(0, 60))
def test_truncated_value_does_not_decrypt(length: int) -> None:
    sealed = RING.seal(*PLACE, b"secret")
    if length < len(sealed):
        with pytest.raises(DecryptionError):
            RING.open(*PLACE, sealed[:length])


def test_newest_key_encrypts_and_all_keys_decrypt() -> None:
    before = Keyring([("k1", OLD)]).seal(*PLACE, b"secret")
    assert RING.open(*PLACE, before) == b"secret"
    assert (read_key_id(before), read_key_id(RING.seal(*PLACE, b"secret"))) == ("k1", "k2")


def test_missing_key_is_named() -> None:
    with pytest.raises(DecryptionError) as missing:
        Keyring([("k1", OLD)]).open(*PLACE, RING.seal(*PLACE, b"secret"))
    assert missing.value.key_id == "k2"
    assert "“k2”" in str(missing.value)
    assert "HUB_ENCRYPTION_KEYS" in str(missing.value)


def test_different_key_with_the_same_id_is_reported() -> None:
    with pytest.raises(DecryptionError, match="another key with that ID") as wrong:
        Keyring([("k2", OLD)]).open(*PLACE, RING.seal(*PLACE, b"secret"))
    assert wrong.value.key_id == "k2"


def test_equal_texts_have_different_ciphertexts() -> None:
    assert RING.seal(*PLACE, b"secret") != RING.seal(*PLACE, b"secret")


def test_error_contains_no_secret() -> None:
    with pytest.raises(DecryptionError) as wrong:
        RING.open(
            EncryptedField("messages", "other"),
            "row",
            RING.seal(EncryptedField("messages", "content"), "row", b"the secret itself"),
        )
    assert "secret itself" not in str(wrong.value)
    assert repr(NEW) not in str(wrong.value)


@given(st.binary(min_size=1, max_size=100), st.lists(st.text(), min_size=1, max_size=3))
def test_blind_index_is_hmac_sha256(key: bytes, parts: list[str]) -> None:
    assert blind_index(key, *parts) == hmac.digest(key, "\0".join(parts).encode(), "sha256")


def test_parts_of_a_blind_index_are_separated() -> None:
    assert blind_index(OLD, "a", "bc") != blind_index(OLD, "ab", "c")
    assert blind_index(OLD, "a") != blind_index(NEW, "a")
    assert len(digest("x")) == len(blind_index(OLD, "x")) == 32


# ── In the database ───────────────────────────────────────────────────────────────────────────────
@transaction
def add_two_signers() -> tuple[str, str]:
    source = db.session.scalars(select(Source)).one()
    request = SigningRequest(
        id=new_id("req"),
        source_id=source.id,
        external_id="a",
        test=True,
        state="open",
        reported_at=now(),
        state_at=now(),
    )
    request.title = "A title"
    db.session.add(request)
    db.session.flush()
    ids = []
    for name in ("eric", "anna"):
        signer = Signer(id=new_id("sgn"), request_id=request.id, external_id=name)
        signer.details = {"name": name}
        signer.signing_url = f"https://sign.example/{name}"
        db.session.add(signer)
        ids.append(signer.id)
    return ids[0], ids[1]


def test_row_contains_no_plain_text(in_app: Flask) -> None:
    eric, _ = add_two_signers()
    row = db.session.get_one(Signer, eric)
    assert row.details == {"name": "eric"}
    assert row._details is not None
    assert b"eric" not in row._details


def test_value_copied_to_another_row_or_field_does_not_decrypt(in_app: Flask) -> None:
    eric, anna = add_two_signers()

    @transaction
    def copy_values() -> None:
        signer = db.session.get_one(Signer, eric)
        two = db.session.get_one(Signer, anna)
        two._details = signer._details
        signer._details = signer._signing_url

    copy_values()
    for signer_id in (eric, anna):
        with pytest.raises(DecryptionError, match="k1"):
            _ = db.session.get_one(Signer, signer_id).details


def test_contact_is_found_by_the_blind_index_of_its_address(in_app: Flask) -> None:
    first = get_or_create_contact("phone", "+13175551234", test=True)
    assert get_or_create_contact("phone", "+13175551234", test=True).id == first.id
    assert get_or_create_contact("phone", "+13175551234", test=False).id != first.id
    assert b"1317" not in first.address_key
    assert db.session.query(Contact).count() == 2
