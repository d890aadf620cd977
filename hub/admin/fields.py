"""The attributes that tie a form's control to its error and its help."""

from __future__ import annotations

from typing import Any

from wtforms import Field

KEEP = "Stored. Leave blank to keep it"
TYPED = "Typed just now. Leave blank to use it"


def wired(field: Field, classes: str) -> dict[str, Any]:
    """Return the attributes to render a field with: classes, what describes it, whether it is wrong, a secret's hint."""
    own: dict[str, Any] = dict(field.render_kw or {})
    names = [classes, own.get("class", ""), "is-invalid" if field.errors else ""]
    described = [f"{field.id}-error", f"{field.id}-help" if field.description else ""]
    attributes: dict[str, Any] = {"class": " ".join(filter(None, names)), "aria-describedby": " ".join(filter(None, described))}
    if field.errors:
        attributes["aria-invalid"] = "true"
    if getattr(field.widget, "input_type", "") == "password" and "autocomplete" not in own:
        attributes["autocomplete"] = "new-password"  # browsers ignore `off`, and would fill in the reader's own password
    if getattr(field, "kept", "") or getattr(field, "stored", False):
        attributes.update(placeholder=TYPED if getattr(field, "kept", "") else KEEP, required=False)
    if "legend" in own:
        attributes["legend"] = False  # it begins a group on the page, and is no attribute
    return attributes
