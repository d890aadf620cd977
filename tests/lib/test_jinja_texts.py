"""Texts in Jinja of version 0.2.0: they are filled, but cannot run anything."""

from __future__ import annotations

import pytest

from hub.lib import jinja_texts


def test_template_is_filled() -> None:
    assert (
        jinja_texts.render(
            " Hello {{ name }}{% if n == 1 %}, once{% endif %}! ", {"name": "{{ name }}", "n": 1}
        )
        == "Hello {{ name }}, once!"
    )


@pytest.mark.parametrize(
    "source",
    [
        "{{ nobody }}",
        "{{ name",
        "{% if %}",
        "{{ name.__class__.__mro__ }}",
        "{{ 1 / 0 }}",
        "{{ name + 1 }}",
        "{{ name() }}",
        "{{ name.missing.thing }}",
        "{% for x in 5 %}{% endfor %}",
        "{{ ''.join(5) }}",
        "{{ name | attr('__class__') }}",
        "{{ name | center(100000000) }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ 'x' * 1000000000 }}",
        "{% for x in range(99999) %}{{ name }}{% endfor %}",
        "{% macro m() %}{% endmacro %}",
        "{% include 'x' %}",
        "x" * 10_001,
    ],
)
def test_other_constructs_are_refused_without_details(source: str) -> None:
    with pytest.raises(ValueError, match="template has an error") as problem:
        jinja_texts.render(source, {"name": "the secret"})
    assert "the secret" not in str(problem.value)


def test_only_accepted_constructs_are_safe() -> None:
    assert jinja_texts.is_safe('{% if link and not name %}{{ link | upper }}{% endif %} "{{ x }}"')
    assert not jinja_texts.is_safe("{{ ''.__class__ }}")
    assert not jinja_texts.is_safe("{{ broken")
