"""The form of a route: its steps with their conditions, and its choices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from wtforms import BooleanField, FieldList, Form, FormField, HiddenField, SelectField, StringField

from hub.admin.routing.route_descriptions import GOALS
from hub.admin.view.status_badges import channel_title
from hub.core.errors import Refused
from hub.core.vocabulary import Channel, Connective, Goal
from hub.models import Connection
from hub.signing.routes import MAX_STEPS, RouteIn, StepIn, is_never_reported, reaches_people

UNITS = {"minutes": 1, "hours": 60, "days": 24 * 60}
FAILS = ""  # the goal of a step that follows only a failure
CHANNELS = (Channel.WHATSAPP, Channel.SMS, Channel.VOICE, Channel.EMAIL, Channel.CHAT)
# in the order in which they are suggested for a new step; a call is chosen on purpose
SUGGESTED = (Channel.WHATSAPP, Channel.SMS, Channel.EMAIL, Channel.CHAT)
NEW_WAIT_MINUTES = 30


class StepForm(Form):
    """One step: the condition under which it follows, and the channel or connection."""

    connective = HiddenField()
    goal = SelectField("Goal", choices={**GOALS, FAILS: "it fails"})
    wait = StringField("Time", render_kw={"inputmode": "numeric", "maxlength": 6})
    unit = SelectField("Unit", choices={unit: unit for unit in UNITS})
    over = SelectField("Channel", validate_choice=False)
    consented_only = BooleanField("Only with a recorded consent, or if the signer prefers it")

    @property
    def follows(self) -> bool:
        """True for a step that begins with “otherwise”."""
        return bool(self.connective.data == Connective.OTHERWISE)


class RouteForm(Form):
    """The steps and choices of a route. `seen` is the version that the admin saw."""

    seen = HiddenField()
    steps = FieldList(FormField(StepForm), max_entries=MAX_STEPS)
    paid_when_missing = StringField(
        "Maximum missing signatures for paid channels",
        render_kw={"inputmode": "numeric", "maxlength": 4},
        description=(
            "SMS, WhatsApp and calls cost money for each message. They are used only while at most"
            " this many signatures are missing, such as 3. Leave empty to use them always."
        ),
    )
    continue_after_opt_out = BooleanField(
        "Continue on other channels after an opt-out",
        description=(
            "If off, only email steps follow a step whose channel the contact has opted out of."
            " Steps before it are still sent. An opt-out from SMS always blocks calls, and one from"
            " emails never leads to a phone. Check whether your law allows more."
        ),
    )


def build_form(
    entered: RouteIn, connections: Mapping[str, Connection], seen: str = ""
) -> RouteForm:
    """Return the form with the values of a route."""
    form = RouteForm(
        data={
            "seen": seen,
            "steps": [_step_values(step) for step in entered.steps],
            "paid_when_missing": str(entered.paid_when_missing or ""),
            "continue_after_opt_out": entered.continue_after_opt_out,
        }
    )
    set_choices(form, connections)
    return form


def set_choices(form: RouteForm, connections: Mapping[str, Connection]) -> None:
    """Offer the channels, and each connection of a channel that has several or was chosen."""
    for entry in form.steps:
        entry.form.over.choices = _place_choices(connections, entry.form.over.data or "")


def _place_choices(connections: Mapping[str, Connection], chosen: str) -> dict[str, str]:
    choices = {channel.value: channel_title(channel) for channel in CHANNELS}
    choices |= {
        f"{channel}:{connection.id}": f"{channel_title(channel)} over {connection.title}"
        for channel in CHANNELS
        for connection in connections.values()
        if connection.channel == channel and reaches_people(connection)
    }
    return choices if chosen in choices else {**choices, chosen: "No longer available"}


def _step_values(step: StepIn) -> dict[str, Any]:
    minutes = step.wait_minutes
    unit = "minutes"
    if minutes is not None:
        unit = next(
            name for name, size in reversed(UNITS.items()) if minutes % size == 0 or size == 1
        )
    return {
        "connective": step.connective,
        "goal": FAILS if minutes is None else step.goal or Goal.DELIVERED,
        "wait": "" if minutes is None else str(minutes // UNITS[unit]),
        "unit": unit,
        "over": f"{step.channel}:{step.connection_id}" if step.connection_id else step.channel,
        "consented_only": step.consented_only,
    }


def read_route(form: RouteForm) -> tuple[RouteIn, list[Refused]]:
    """Return the route as entered, and the numbers that cannot be read."""
    problems: list[Refused] = []
    steps = [_read_step(index, entry.form, problems) for index, entry in enumerate(form.steps)]
    missing = _read_number(form.paid_when_missing.data, "paid_when_missing", problems)
    entered = RouteIn(steps, bool(form.continue_after_opt_out.data), missing)
    return entered, problems


def _read_step(index: int, form: StepForm, problems: list[Refused]) -> StepIn:
    channel, _, connection_id = (form.over.data or "").partition(":")
    consented_only = bool(form.consented_only.data)
    if not form.follows:
        return StepIn(channel, connection_id or None, consented_only=consented_only)
    goal = form.goal.data if form.goal.data in GOALS else FAILS
    minutes = None
    if goal != FAILS:
        amount = _read_number(form.wait.data, f"steps-{index}-wait", problems)
        if amount is None:
            amount = 0  # refused as too short
        minutes = amount * UNITS.get(form.unit.data or "", 1)
    return StepIn(
        channel,
        connection_id or None,
        Connective.OTHERWISE.value,
        goal or Goal.DELIVERED.value,
        minutes,
        consented_only,
    )


def _read_number(text: str | None, field: str, problems: list[Refused]) -> int | None:
    entered = (text or "").strip()
    if not entered:
        return None
    if not entered.isascii() or not entered.isdigit() or len(entered) > 6:
        problems.append(Refused("not_a_number", "Enter a whole number.", field=field))
        return 0
    return int(entered)


def add_problems(form: RouteForm, problems: Sequence[Refused]) -> None:
    """Add each problem to its field, the first one of each field."""
    for problem in problems:
        field = next((field for field in _fields(form) if field.name == problem.field), None)
        if field is None:
            form.form_errors.append(str(problem))
        elif not field.errors:
            field.errors = [str(problem)]


def _fields(form: RouteForm) -> Iterator[Any]:
    for field in form:
        if isinstance(field, FieldList):
            for entry in field.entries:
                yield from entry.form
        else:
            yield field


def edit_steps(entered: RouteIn, action: str, connections: Mapping[str, Connection]) -> RouteIn:
    """Return the route after a button of the form: `also`, `otherwise`, `up-1`, `remove-2`."""
    steps = list(entered.steps)
    name, number = _parse_action(action)
    index = number if number is not None and number < len(steps) else None
    if name == Connective.ALSO and len(steps) < MAX_STEPS:
        steps.append(StepIn(_next_channel(steps)))
    elif name == Connective.OTHERWISE and len(steps) < MAX_STEPS:
        follows = _new_condition(steps[-1], connections) if steps else {}
        steps.append(StepIn(_next_channel(steps), **follows))
    elif name == "remove" and index is not None:
        del steps[index]
    elif name == "up" and index:
        _swap_places(steps, index - 1, index)
    elif name == "down" and index is not None and index + 1 < len(steps):
        _swap_places(steps, index, index + 1)
    if steps and steps[0].connective == Connective.OTHERWISE:
        steps[0] = StepIn(
            steps[0].channel, steps[0].connection_id, consented_only=steps[0].consented_only
        )
    return replace(entered, steps=steps)


def find_changed_step(entered: RouteIn, action: str) -> int:
    """Return the index of the step that a button of the form has added or moved.

    After a step was removed, it is the next one, or the last one.
    """
    last = max(len(entered.steps) - 1, 0)
    name, number = _parse_action(action)
    index = last if number is None else number
    if name == "up":
        index -= 1
    elif name == "down":
        index += 1
    return min(max(index, 0), last)


def _parse_action(action: str) -> tuple[str, int | None]:
    """Return the name of a button's action, and the index of its step if there is one."""
    name, _, number = action.partition("-")
    is_index = number.isascii() and number.isdigit() and len(number) <= len(str(MAX_STEPS))
    return name, int(number) if is_index else None


def _new_condition(before: StepIn, connections: Mapping[str, Connection]) -> dict[str, Any]:
    """Return the condition of a new step: not delivered in time, or only a failure."""
    is_reported = not is_never_reported(Goal.DELIVERED, before, connections)
    return {
        "connective": Connective.OTHERWISE.value,
        "goal": Goal.DELIVERED.value,
        "wait_minutes": NEW_WAIT_MINUTES if is_reported else None,
    }


def _next_channel(steps: Sequence[StepIn]) -> str:
    """Return the first channel that no step uses yet."""
    used = {step.channel for step in steps}
    return next(
        (channel.value for channel in SUGGESTED if channel not in used), Channel.EMAIL.value
    )


def _swap_places(steps: list[StepIn], first: int, second: int) -> None:
    """Exchange the channels of two steps. The conditions keep their places."""
    one = steps[first]
    other = steps[second]
    steps[first] = _with_place(one, other)
    steps[second] = _with_place(other, one)


def _with_place(step: StepIn, place: StepIn) -> StepIn:
    return replace(
        step,
        channel=place.channel,
        connection_id=place.connection_id,
        consented_only=place.consented_only,
    )
