"""A workflow accepts cards as Power Automate documents it, and hides later failures."""

import http.client
import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from hub.simulator.teams import scripted_faults
from hub.simulator.teams.markdown import render
from tests.conftest import tags_on_one_line
from tests.simulator.conftest import Response, Simulator

ADAPTIVE = "application/vnd.microsoft.card.adaptive"


def workflow_path(simulator: Simulator) -> str:
    made_up = simulator.credentials.derive
    return (
        f"/powerautomate/automations/direct/workflows/{made_up('teams workflow', 32)}"
        "/triggers/manual/paths/invoke"
        f"?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={made_up('teams sig', 43)}"
    )


def card_message(*body: dict[str, Any], **fields: Any) -> dict[str, Any]:
    content = {"type": "AdaptiveCard", "version": "1.4", "body": list(body), **fields}
    return {
        "type": "message",
        "attachments": [{"contentType": ADAPTIVE, "contentUrl": None, "content": content}],
    }


def text_block(text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "TextBlock", "text": text, **fields}


def list_posts(simulator: Simulator) -> list[dict[str, Any]]:
    posts: list[dict[str, Any]] = simulator.call("GET", "/simulator/teams.json").json["posts"]
    return posts


def refusal(answer: Response) -> tuple[int, str]:
    return answer.status, answer.json["error"]["code"]


def teams_page(simulator: Simulator) -> str:
    return tags_on_one_line(simulator.call("GET", "/simulator/teams").text)


def test_workflow_url_has_a_current_host(simulator):
    parts = urlsplit(simulator.call("GET", "/simulator/teams.json").json["url"])
    assert re.fullmatch(
        r"[0-9a-f]{32}\.[0-9a-f]{2}\.environment\.api\.powerplatform\.com:443", parts.netloc
    )
    assert f"{parts.path}?{parts.query}" == workflow_path(simulator)


def test_card_is_accepted_with_202_and_an_empty_body(simulator):
    facts = {"type": "FactSet", "facts": [{"title": "Sender", "value": "Dana"}]}
    box = {"type": "Container", "items": [text_block("In a box"), facts]}
    columns = {
        "type": "ColumnSet",
        "columns": [
            {"width": "auto", "items": [text_block("Left")]},
            {"type": "Column", "items": [text_block("Right")]},
        ],
    }
    link = {"type": "Action.OpenUrl", "title": "Remind", "url": "https://hub.example/a/1"}
    message = card_message(
        text_block("NDA **waits**"),
        box,
        columns,
        {"type": "ActionSet", "actions": [link]},
        actions=[link | {"title": "Open"}],
    )
    answer = simulator.post_json(workflow_path(simulator), **message)
    assert (answer.status, answer.text) == (202, "")
    last = list_posts(simulator)[-1]
    assert (last["failed"], last["notes"], last["message"]) == (None, [], message)
    assert last["texts"] == ["NDA **waits**", "In a box", "Left", "Right"]
    assert last["facts"] == [["Sender", "Dana"]]
    assert [action["title"] for action in last["actions"]] == ["Remind", "Open"]
    page = teams_page(simulator)
    assert "NDA <strong>waits</strong>" in page
    assert re.search(r"<dt>Sender</dt><dd>Dana</dd>", page)
    assert len(re.findall(r'<a class="btn[^>]*href="https://hub.example/a/1"', page)) == 2


def test_address_without_its_signature_is_refused(simulator):
    assert refusal(
        simulator.post_json(workflow_path(simulator) + "x", **card_message(text_block("x")))
    ) == (
        401,
        "DirectApiAuthorizationRequired",
    )
    assert (
        simulator.post_json(
            workflow_path(simulator).partition("&sig")[0], **card_message(text_block("x"))
        ).status
        == 401
    )
    unknown = re.sub(r"(?<=workflows/)\w{32}", "f" * 32, workflow_path(simulator))
    assert refusal(simulator.post_json(unknown, **card_message(text_block("x")))) == (
        404,
        "WorkflowNotFound",
    )


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"text": "bare"}, "is of type 'Null'"),
        ({"attachments": None}, "is of type 'Null'"),
        ({"attachments": []}, "no cards"),
        ({"attachments": [{"contentType": "image/png"}]}, "not an Adaptive Card"),
        (
            {"attachments": [{"contentType": ADAPTIVE, "content": {"type": "MessageCard"}}]},
            "must be 'AdaptiveCard'",
        ),
        (card_message(text_block("x"), version="1.6"), "does not support the card version"),
        (card_message(text_block("x"), version="new"), "does not support the card version"),
        (card_message(), "empty"),
    ],
)
def test_failure_after_acceptance_is_shown_in_the_simulator_only(simulator, message, reason):
    assert simulator.post_json(workflow_path(simulator), **message).status == 202
    assert reason in list_posts(simulator)[-1]["failed"]
    assert "Flow failed" in teams_page(simulator)


@pytest.mark.parametrize(
    ("element", "note"),
    [
        ({"type": "Action.Submit", "title": "Ack"}, "Action.Submit “Ack” has no receiver"),
        (
            {"type": "Action.OpenUrl", "title": "Go", "url": "javascript:1"},
            "has no address to open",
        ),
        ({"type": "Carousel"}, "Carousel is not supported"),
        ({"type": "TextBlock"}, "TextBlock has no text"),
        ("a text", "None is not supported"),
    ],
)
def test_content_hidden_from_readers_is_marked(simulator, element, note):
    key = "actions" if str(element).startswith("{'type': 'Action") else "items"
    simulator.post_json(
        workflow_path(simulator),
        **card_message({"type": "ActionSet" if key == "actions" else "Container", key: [element]}),
    )
    assert note in list_posts(simulator)[-1]["notes"][0]
    assert teams_page(simulator)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("[]", "TriggerInputSchemaMismatch"),
        ('{"attachments": "x"}', "TriggerInputSchemaMismatch"),
        ('{"attachments": ["x"]}', "TriggerInputSchemaMismatch"),
        ("{", "InvalidJson"),
    ],
)
def test_body_that_the_trigger_cannot_read_is_refused(simulator, body, code):
    connection = http.client.HTTPConnection("127.0.0.1", simulator.port, timeout=5)
    connection.request("POST", workflow_path(simulator), body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert (answer.status, json.load(answer)["error"]["code"]) == (400, code)
    connection.close()


def test_body_is_limited_to_28_kilobytes(simulator):
    empty = len(json.dumps(card_message(text_block(""))))
    assert (
        simulator.post_json(
            workflow_path(simulator), **card_message(text_block("x" * (28 * 1024 - empty)))
        ).status
        == 202
    )
    assert refusal(
        simulator.post_json(
            workflow_path(simulator), **card_message(text_block("x" * (28 * 1024 - empty + 1)))
        )
    ) == (413, "RequestEntityTooLarge")


@pytest.mark.parametrize(
    "fault",
    [workflow for workflow in scripted_faults.WORKFLOWS if not workflow.hangs],
    ids=lambda case: case.answer,
)
def test_scripted_workflow_returns_its_response(simulator, fault):
    simulator.post_json("/simulator/teams/empty")
    url = (
        re.sub(r"(?<=workflows/)\w{32}", fault.address, workflow_path(simulator)).partition("&sig")[
            0
        ]
        + "&sig=any"
    )
    answer = simulator.post_json(url, **card_message(text_block("x")))
    assert answer.status == fault.status
    if fault.error:
        assert refusal(answer) == (fault.status, fault.error)
    assert ("Retry-After" in answer.headers) == (fault.status == 429)
    if fault.fails_once:
        assert simulator.post_json(url, **card_message(text_block("x"))).status == 202
    arrived = list_posts(simulator)
    assert len(arrived) == fault.accepts
    assert not arrived or (arrived[0]["failed"] or "") == fault.run_error


def test_simulated_faults_apply_to_teams(simulator):
    simulator.post_json("/simulator/faults", refuse=1, fail=1)
    answer = simulator.post_json(workflow_path(simulator), **card_message(text_block("x")))
    assert (refusal(answer), answer.headers["Retry-After"]) == ((429, "TooManyRequests"), "1")
    assert (
        simulator.post_json(workflow_path(simulator), **card_message(text_block("x"))).status == 500
    )


def test_restart_keeps_posts(restartable_simulator):
    restartable_simulator.post_json(
        workflow_path(restartable_simulator), **card_message(text_block("Kept"))
    )
    restartable_simulator.stop()
    restartable_simulator.start()
    assert [post["texts"] for post in list_posts(restartable_simulator)] == [["Kept"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "**b** _i_ *j* [l](https://a.example/?x=1&y=2)",
            (
                "<strong>b</strong> <em>i</em> <em>j</em> "
                '<a href="https://a.example/?x=1&amp;y=2" rel="noreferrer">l</a>'
            ),
        ),
        ("[l](javascript:alert(1)) <b> &amp;", "[l](javascript:alert(1)) &lt;b&gt; &amp;amp;"),
        (r"2 \* 3 \* 4 \_x\_ \[y\](https://a.example)", "2 * 3 * 4 _x_ [y](https://a.example)"),
        ("snake_case_name 2*3*4", "snake_case_name 2*3*4"),
        ("- one\n- two", "• one\n• two"),
        ("\ue0007\ue001", "7"),
    ],
)
def test_text_is_displayed_as_in_teams(text, expected):
    assert render(text) == expected


def test_page_has_a_strict_policy_and_explains_how_to_connect(simulator):
    page = teams_page(simulator)
    assert simulator.credentials.derive("teams sig", 43) in page
    assert f"<code>{4040:032}</code>" in page
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", page)
    assert 'href="/simulator/teams" aria-current="page"' in page
    assert (
        simulator.call("POST", "/simulator/teams/empty", {}, Origin="http://evil.example").status
        == 403
    )
    simulator.call("POST", "/simulator/teams/empty", {})
    assert "No posts yet" in teams_page(simulator)
