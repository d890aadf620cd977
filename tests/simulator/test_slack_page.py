"""The page shows a team's channel to its members, with working buttons."""

import re

import pytest

from hub.simulator.slack.mrkdwn import render
from tests.conftest import tags_on_one_line
from tests.simulator.test_slack_api import button, channel_id, section, slack_client
from tests.simulator.test_slack_button_actions import ACTIONS


def slack_page(simulator, query=""):
    return tags_on_one_line(simulator.call("GET", f"/simulator/slack{query}").text)


def test_message_is_displayed_as_in_slack(simulator):
    slack_client(simulator).chat_postMessage(
        channel="signing",
        text="x",
        blocks=[
            {"type": "header", "text": {"type": "plain_text", "text": "NDA for A & B"}},
            section(
                "*Bold* _slanted_ ~gone~ `code` <https://sign.example/a|the NDA> &lt;script&gt; <b>"
                " <!channel> 2*3*4",
                fields=[{"type": "mrkdwn", "text": "*Sender*\nDana"}],
            ),
            {"type": "context", "elements": [{"type": "mrkdwn", "text": "Signpost · *req_1*"}]},
            ACTIONS,
        ],
    )
    page = slack_page(simulator)
    assert '<h3 class="sp-post-title">NDA for A &amp; B</h3>' in page
    assert (
        "<strong>Bold</strong> <em>slanted</em> <s>gone</s> <code>code</code> <a"
        ' href="https://sign.example/a"' in page
    )
    assert (
        '>the NDA</a> &lt;script&gt; &lt;b&gt; <mark class="sp-mention">@channel</mark> 2*3*4'
        in page
    )
    assert "<strong>Sender</strong>\nDana" in page
    assert "Signpost · <strong>req_1</strong>" in page
    assert re.search(
        r'<button class="btn[^>]* form="press"'
        r' formaction="/simulator/slack/press\?[^"]*action_id=remind',
        page,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<javascript:alert(1)|press>", "&lt;javascript:alert(1)|press&gt;"),
        (
            '<https://a.example/"onclick=1|x>',
            '<a href="https://a.example/&#34;onclick=1" rel="noreferrer">x</a>',
        ),
        ("\ue0007\ue001 <!here>", '7 <mark class="sp-mention">@here</mark>'),
        ("`<b>` & <", "<code>&lt;b&gt;</code> &amp; &lt;"),
        ("*" * 9, "*" * 9),
    ],
)
def test_text_does_not_become_markup(text, expected):
    assert render(text) == expected


def test_threads_edits_and_direct_messages_are_displayed(simulator):
    client = slack_client(simulator)
    root = client.chat_postMessage(channel="signing", text="The root")
    client.chat_postMessage(channel="signing", text="The answer", thread_ts=root["ts"])
    client.chat_update(channel=root["channel"], ts=root["ts"], text="The root, edited")
    direct = client.chat_postMessage(
        channel=client.users_lookupByEmail(email="zoe.lind@acme.example")["user"]["id"],
        text="Hello Zoe",
    )
    page = slack_page(simulator)
    assert re.search(
        r'\(edited\).{0,80}The root, edited.{0,200}<ol class="sp-thread".{0,600}The answer',
        page,
        re.DOTALL,
    )
    assert "Hello Zoe" not in page
    assert "Hello Zoe" in slack_page(simulator, f"?channel={direct['channel']}")


def test_form_presses_a_button_and_returns_to_the_page(simulator, receiver):
    simulator.post_json("/simulator/slack/app", request_url=receiver.url)
    confirm = {
        "title": {"type": "plain_text", "text": "Sure?"},
        "text": {"type": "mrkdwn", "text": "*Really*"},
        "confirm": {"type": "plain_text", "text": "Do it"},
        "deny": {"type": "plain_text", "text": "No"},
    }
    blocks = [
        {"type": "actions", "elements": [button("Snooze", action_id="snooze", confirm=confirm)]}
    ]
    posted = slack_client(simulator).chat_postMessage(channel="signing", text="x", blocks=blocks)
    path = re.findall(r'formaction="([^"]+action_id=snooze[^"]*)">Do it', slack_page(simulator))[
        -1
    ].replace("&amp;", "&")
    answer = simulator.call(
        "POST", path, {"who": "Tom Okafor", "channel": posted["channel"]}, Origin=simulator.url
    )
    assert answer.status == 303
    assert "Tom Okafor chose Snooze: response 204" in slack_page(
        simulator, answer.headers["Location"].removeprefix("/simulator/slack")
    )
    assert "tom.okafor" in receiver.wait_for(1)[0].fields["payload"]
    simulator.post_json("/simulator/slack/app", request_url="")


@pytest.mark.parametrize("path", ["press", "app", "responses", "empty"])
def test_request_of_another_site_presses_nothing(simulator, path):
    assert (
        simulator.call(
            "POST", f"/simulator/slack/{path}", {"ts": "1"}, Origin="http://evil.example"
        ).status
        == 403
    )


def test_page_explains_how_to_connect_and_lists_scripted_faults(simulator):
    page = slack_page(simulator)
    made_up = simulator.credentials.derive
    secrets = [
        made_up(f"slack {name}", length)
        for name, length in (("bot token", 40), ("signing secret", 32), ("webhook secret", 24))
    ]
    for value in (*secrets, channel_id(simulator)):
        assert value in page
    for address in (
        "C0ARCHIVED",
        "channelisarchived0000000",
        "xoxb-0-token-revoked",
        "nobody@acme.example",
    ):
        assert f"<code>{address}</code>" in page
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", page)
    assert 'href="/simulator/slack" aria-current="page"' in page


def test_faults_can_be_set_on_the_page(simulator):
    answer = simulator.call("POST", "/simulator/faults", {"refuse": "2", "view": "slack.page"})
    assert answer.headers["Location"] == "/simulator/slack"
    assert 'name="refuse" type="number" min="0" max="10000" value="2"' in slack_page(simulator)


def test_emptied_messages_can_still_be_edited(simulator):
    posted = slack_client(simulator).chat_postMessage(channel="signing", text="Gone from sight")
    simulator.call("POST", "/simulator/slack/empty", {})
    assert "No messages yet" in slack_page(simulator)
    assert slack_client(simulator).chat_update(
        channel=posted["channel"], ts=posted["ts"], text="x"
    )["ok"]
