"""Segments are counted as carriers bill them."""

import pytest

from hub.simulator.segments import count


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", 1),
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 306, 2),
        ("x" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("x" * 152 + "€" + "x" * 152, 3),
        ("x" * 153 + "€" + "x" * 151, 2),
        ("й" * 70, 1),
        ("й" * 71, 2),
        ("й" * 134, 2),
        ("й" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("й" * 66 + "😀" + "й" * 66, 3),
    ],
)
def test_text_has_this_many_segments(text, segments):
    assert count(text) == segments
