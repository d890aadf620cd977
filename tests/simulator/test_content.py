"""The Content API: templates are listed, created, submitted, approved or rejected, and sent."""

import json

import pytest
from twilio.base.exceptions import TwilioRestException

from hub.simulator import sample_templates

FROM = "whatsapp:+15005550006"
CONTENT = {
    "sid",
    "account_sid",
    "friendly_name",
    "language",
    "variables",
    "types",
    "date_created",
    "date_updated",
}


def find_template(client, name):
    return next(
        template for template in client.content.v1.contents.list() if template.friendly_name == name
    )


def create_template(client, body="Hello {{1}}, goodbye {{2}}, and so on.", **fields):
    payload = {
        "friendly_name": "made",
        "language": "en",
        "types": {"twilio/text": {"body": body}},
        "variables": {"1": "Ada", "2": "Bob"},
    }
    return client.request(
        "POST",
        "https://content.twilio.com/v1/Content",
        data=payload | fields,
        headers={"Content-Type": "application/json"},
    )


def send_template(simulator, sid, **fields):
    to = f"whatsapp:{fields.pop('number', simulator.number())}"
    return simulator.client().messages.create(to=to, from_=FROM, content_sid=sid, **fields)


def wait_for_final_status(wait, message):
    return wait(
        lambda: (now := message.fetch()).status in ("read", "undelivered", "failed") and now
    )


def test_account_starts_with_templates_in_every_state(simulator, client):
    templates = client.content.v1.contents.list()
    names = {f"{row[0]}_{row[1]}" for row in sample_templates.ROWS}
    assert names <= {template.friendly_name for template in templates}
    template = client.content.v1.contents(templates[0].sid).fetch()
    assert (template.sid, template.types, template.account_sid) == (
        templates[0].sid,
        templates[0].types,
        simulator.credentials.account_sid,
    )
    assert {"approved", "pending", "rejected", "paused"} == {
        row[2] for row in sample_templates.ROWS
    }
    assert {"twilio/text", "twilio/quick-reply", "twilio/call-to-action"} == {
        row[4] for row in sample_templates.ROWS
    }


def test_templates_and_approvals_are_listed_with_paging(simulator, client):
    templates = client.content.v1.content_and_approvals.list(page_size=3)
    assert (
        len(templates)
        == len({template.sid for template in templates})
        == len(client.content.v1.contents.list())
        > 3
    )
    rejected = next(
        template for template in templates if template.friendly_name == "request_completed_de"
    )
    assert rejected.approval_requests == {
        "name": "request_completed_de",
        "category": "UTILITY",
        "content_type": "twilio/text",
        "status": "rejected",
        "rejection_reason": "The variables are too close to the end of the text.",
        "allow_category_change": True,
    }


def test_template_is_created_submitted_approved_and_deleted(simulator, client):
    created = create_template(client)
    assert created.status_code == 201
    sid = json.loads(created.text)["sid"]
    approval = client.content.v1.contents(sid).approval_fetch()
    assert approval.fetch().whatsapp["status"] == "unsubmitted"
    url = f"https://content.twilio.com/v1/Content/{sid}/ApprovalRequests/whatsapp"
    request = {"name": "made_here", "category": "UTILITY"}
    submitted = client.request(
        "POST", url, data=request, headers={"Content-Type": "application/json"}
    )
    assert (submitted.status_code, json.loads(submitted.text)["status"]) == (201, "received")

    for decision, status in (("approve", "approved"), ("pause", "paused"), ("reject", "rejected")):
        assert (
            simulator.post_json(
                f"/simulator/templates/{sid}", decision=decision, reason="Why not"
            ).json["status"]
            == status
        )
        approval_state = approval.fetch().whatsapp
        assert (approval_state["type"], approval_state["name"], approval_state["status"]) == (
            "whatsapp",
            "made_here",
            status,
        )
    assert approval_state["rejection_reason"] == "Why not"

    assert client.content.v1.contents(sid).delete()
    with pytest.raises(TwilioRestException, match="404"):
        client.content.v1.contents(sid).fetch()


@pytest.mark.parametrize(
    "wrong", [{"language": ""}, {"types": {}}, {"types": "text"}, {"variables": {"1": 2}}]
)
def test_invalid_template_is_refused(client, wrong):
    assert create_template(client, **wrong).status_code == 400


@pytest.mark.parametrize("wrong", [{"name": "Made here"}, {"category": "NEWS"}])
def test_invalid_submission_is_refused(client, wrong):
    sid = find_template(client, "request_signed_others_de").sid
    url = f"https://content.twilio.com/v1/Content/{sid}/ApprovalRequests/whatsapp"
    request = {"name": "made", "category": "UTILITY"} | wrong
    assert (
        client.request(
            "POST", url, data=request, headers={"Content-Type": "application/json"}
        ).status_code
        == 400
    )


def test_approved_template_is_filled_and_sent_outside_the_window(simulator, client, wait):
    sid = find_template(client, "request_signed_others_en_US").sid
    message = send_template(simulator, sid, content_variables=json.dumps({"1": "Tom"}))
    assert (message.sid[:2], message.body) == (
        "MM",
        "Tom has signed NDA.pdf. We will let you know when everyone has signed.",
    )
    assert wait_for_final_status(wait, message).status == "read"


def test_template_is_sent_to_a_number_that_refuses_only_text(simulator, client, wait):
    assert (
        wait_for_final_status(
            wait,
            send_template(
                simulator,
                find_template(client, "request_signed_others_en_US").sid,
                number="+15005550021",
            ),
        ).status
        == "read"
    )


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("request_completed_de", 63040),
        ("request_reminder_pt_BR", 63041),
        ("request_signed_others_de", 63016),
    ],
)
def test_unapproved_template_is_accepted_and_then_fails(simulator, client, wait, name, code):
    message = wait_for_final_status(wait, send_template(simulator, find_template(client, name).sid))
    assert (message.status, message.error_code) == ("undelivered", code)


@pytest.mark.parametrize(
    ("variables", "status", "code"),
    [
        ({"9": "x"}, "undelivered", 63028),
        ({"1": "a\nb"}, "undelivered", 63013),
        ({"1": " "}, "failed", 63021),
    ],
)
def test_mismatched_variables_fail_after_acceptance(
    simulator, client, wait, variables, status, code
):
    sid = find_template(client, "request_signed_others_en_US").sid
    message = wait_for_final_status(
        wait, send_template(simulator, sid, content_variables=json.dumps(variables))
    )
    assert (message.status, message.error_code) == (status, code)


@pytest.mark.parametrize("variables", ["{1: Ada}", '["Ada"]', '{"1": 2}'])
def test_variables_must_be_a_json_object_of_texts(simulator, client, variables):
    with pytest.raises(TwilioRestException) as refusal:
        send_template(
            simulator,
            find_template(client, "request_signed_others_en_US").sid,
            content_variables=variables,
        )
    assert refusal.value.code == 21656


def test_template_can_be_sent_as_sms(simulator, client, wait):
    sid = find_template(client, "request_signed_others_de").sid
    to = simulator.number()
    client.messages.create(to=to, from_="+15005550006", content_sid=sid)
    assert [callback["body"][:3] for callback in simulator.received(to)] == ["Ada"]


def test_templates_survive_a_restart_without_duplicates(restartable_simulator):
    client = restartable_simulator.client()
    first = find_template(client, "request_signed_others_de").sid
    client.content.v1.contents(first).delete()
    sids = {template.sid for template in client.content.v1.contents.list()}
    restartable_simulator.stop()
    restartable_simulator.start()
    assert (
        {template.sid for template in restartable_simulator.client().content.v1.contents.list()}
        == sids
        != set()
    )


def test_whatsapp_sender_is_listed_as_online(client):
    (sender,) = client.messaging.v2.channels_senders.list(channel="whatsapp")
    assert (sender.sender_id, sender.status) == (FROM, "ONLINE")
    assert client.messaging.v2.channels_senders(sender.sid).fetch().sender_id == FROM
    assert client.messaging.v2.channels_senders.list(channel="rcs") == []


def test_templates_require_credentials(simulator):
    assert simulator.call("GET", "/v1/Content").status == 401
