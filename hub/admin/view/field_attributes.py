"""Build the HTML attributes of a form control, which connect it to its error and its help text.

Some keys of `render_kw` are for the page only and do not appear in the HTML: `legend` begins a
group of fields, `optional` is a note next to the legend, `mono` selects a monospace font, `half`
puts two fields on one line, and `shared_help` shows the help of the second one below both.
"""

from __future__ import annotations

from typing import Any

from wtforms import Field

KEEP = "Stored. Leave empty to keep it"
TYPED = "Entered. Leave empty to use it"
PAGE_KEYS = ("legend", "optional", "mono", "half", "shared_help")


def with_error_attributes(field: Field, classes: str) -> dict[str, Any]:
    """Return the attributes of a control: its classes, its descriptions, and a secret's hint."""
    render_kw: dict[str, Any] = dict(field.render_kw or {})
    class_names = [
        classes,
        render_kw.get("class", ""),
        "sp-mono" if render_kw.get("mono") else "",
        "is-invalid" if field.errors else "",
    ]
    description_ids = [f"{field.id}-error", f"{field.id}-help" if field.description else ""]
    attributes: dict[str, Any] = {
        "class": " ".join(filter(None, class_names)),
        "aria-describedby": " ".join(filter(None, description_ids)),
    }
    if field.errors:
        attributes["aria-invalid"] = "true"
    if getattr(field.widget, "input_type", "") == "password" and "autocomplete" not in render_kw:
        # browsers ignore `off`, and would fill in the user's own password
        attributes["autocomplete"] = "new-password"
    if getattr(field, "kept", "") or getattr(field, "stored", False):
        attributes.update(placeholder=TYPED if getattr(field, "kept", "") else _keep(field))
        attributes["required"] = False
    if render_kw.get("mono"):
        attributes["spellcheck"] = "false"
    return attributes | dict.fromkeys((name for name in PAGE_KEYS if name in render_kw), False)


def _keep(field: Field) -> str:
    """Return the hint of a stored secret, which a change of another field may remove."""
    labels = " or ".join(getattr(field, "removed_with", ()))
    return f"{KEEP}. Changing {labels} removes it" if labels else KEEP
