"""PO files: every text survives, and every hostile file is refused with a sentence."""

from __future__ import annotations

import io
import time
import zipfile
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import Refused
from hub.lib import po_files
from hub.lib.po_files import Entry, PoFile, pack, read_files, write_po

HEADER = 'msgid ""\nmsgstr ""\n"Language: pl\\n"\n\n'
GOOD = HEADER + 'msgctxt "a"\nmsgid "Hello"\nmsgstr "Dzień dobry"\n'
# texts as they are stored: without control characters, NUL and lone surrogates
texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc",)) | st.sampled_from('\n\t\\"%{}#~'),
    max_size=80,
)
filled_texts = texts.filter(bool)
entries = st.lists(
    st.builds(
        Entry,
        context=st.from_regex(r"[a-z_]{1,9}/[a-z]{1,5}/text", fullmatch=True),
        source=filled_texts,
        translation=texts,
        is_fuzzy=st.booleans(),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda entry: entry.context,
)
languages = st.sampled_from(["pl", "pt-BR", "zh-Hant-TW", "es-419", "xx", "xx-Abcd"])


def write(language: str, items: list[Entry]) -> bytes:
    file = PoFile(language, items)
    created = datetime(2026, 1, 1, tzinfo=UTC)
    return write_po(file, project="Signpost", version="1", created=created).encode()


def refusal_of(content: bytes, name: str = "pl.po") -> str:
    with pytest.raises(Refused) as refusal:
        read_files(content, name)
    assert refusal.value.field == "file"
    return str(refusal.value)


def archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return buffer.getvalue()


@given(languages, entries)
def test_what_is_written_is_read_again(language: str, items: list[Entry]) -> None:
    (file,) = read_files(write(language, items), "any.po")
    assert file.language == language.replace("-", "_")
    assert [(e.context, e.source, e.translation, e.is_fuzzy) for e in file.entries] == [
        (e.context, e.source, e.translation, e.is_fuzzy) for e in items
    ]


def read_or_refuse(content: bytes, name: str = "pl.po") -> list[PoFile] | Refused:
    try:
        return read_files(content, name)
    except Refused as refusal:
        return refusal


def is_read_or_refused(content: bytes, name: str = "pl.po") -> bool:
    result = read_or_refuse(content, name)
    return bool(result) if isinstance(result, list) else str(result).endswith(".")


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused_with_a_sentence(content: bytes) -> None:
    assert is_read_or_refused(content)


@given(st.integers(0, len(GOOD.encode())), st.binary(min_size=1, max_size=4))
def test_damaged_file_is_read_or_refused_with_a_sentence(place: int, noise: bytes) -> None:
    content = GOOD.encode()
    for damaged in (content[:place] + noise + content[place:], content[:place]):
        assert is_read_or_refused(damaged)


@given(st.data())
def test_damaged_archive_is_read_or_refused_with_a_sentence(data: st.DataObject) -> None:
    content = bytearray(pack([("pl.po", GOOD)]))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255))
    assert is_read_or_refused(bytes(content), "texts.zip")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The file has no texts."),
        (HEADER.encode(), "The file has no texts."),
        (GOOD.encode("utf-16"), "The file is in UTF-16. Save it in UTF-8."),
        ("ź".encode("latin2"), "Line 1: It contains bytes that are not UTF-8."),
        ((GOOD + "\0").encode(), "Line 8: It contains NUL characters."),
        ((GOOD + "msgid Hello\n").encode(), "Line 8: This is not a line of a PO file."),
        ((GOOD + 'msgid "Hello" there"\n').encode(), "Line 8: This is not a line"),
        ((GOOD + 'msgid "\\x41"\nmsgstr ""\n').encode(), "has no meaning. Write \\\\ for"),
        ((GOOD + 'msgid "x"\n').encode(), "The msgstr of this entry is missing."),
        (b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]>", "Line 1: This is not a line"),
        (b'=cmd|" /C calc"!A0', "Line 1: This is not a line of a PO file."),
        (
            (GOOD + 'msgid "a"\nmsgid_plural "b"\nmsgstr[0] "c"\nmsgstr[1] "d"\n').encode(),
            "msgid_plural is not used.",
        ),
        (b"#" * (po_files.MAX_SIZE + 1), "The file is larger than"),
    ],
)
def test_unreadable_file_is_refused_with_its_line_and_remedy(content: bytes, words: str) -> None:
    assert words in refusal_of(content)


def test_file_without_a_language_is_refused_unless_its_name_has_one() -> None:
    content = GOOD.replace("Language: pl", "Team: x").encode()
    assert read_files(content, "pt_BR.po")[0].language == "pt_BR"
    assert "does not name its language" in refusal_of(content, "my texts.po")


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"a.po": b"#" * 30_000_000}, "The files are larger than 8 MB in total."),
        ({f"{n}.po": b"" for n in range(101)}, "more than 100 files"),
        ({"readme.txt": b"Hello"}, "Remove it: only PO files can be imported."),
        ({"texts.zip": archive({"pl.po": GOOD.encode()})}, "only PO files can be imported."),
    ],
)
def test_hostile_archive_is_refused_quickly(members: dict[str, bytes], words: str) -> None:
    content = archive(members)
    began = time.perf_counter()
    assert words in refusal_of(content, "texts.zip")
    assert time.perf_counter() - began < 2


def test_archive_that_declares_a_wrong_size_is_refused() -> None:
    content = bytearray(archive({"a.po": b"#" * 30_000_000}))
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = (100).to_bytes(4, "little")
    assert refusal_of(bytes(content), "texts.zip")


def test_encrypted_archive_is_refused() -> None:
    content = bytearray(archive({"pl.po": GOOD.encode()}))
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    assert "is encrypted" in refusal_of(bytes(content), "texts.zip")


def test_names_of_files_are_shown_without_their_folders() -> None:
    files = read_files(archive({"../../etc/pl.po": GOOD.encode()}), "texts.zip")
    assert files[0].name == "pl.po"


def test_longest_file_is_read_within_a_second() -> None:
    line = 'msgctxt "a{}"\nmsgid "Hello"\nmsgstr "{}"\n\n'
    content = HEADER + "".join(line.format(n, "x" * 900) for n in range(2000))
    began = time.perf_counter()
    assert len(read_files(content.encode(), "pl.po")[0].entries) == 2000
    assert time.perf_counter() - began < 2


def test_file_with_too_many_texts_is_refused() -> None:
    content = HEADER + "".join(f'msgctxt "a{n}"\nmsgid "b"\nmsgstr ""\n' for n in range(2001))
    assert "more than 2,000 texts" in refusal_of(content.encode())
