"""The simulated Telegram delivers updates to the bot's webhook, in order, until accepted."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.simulator.conftest import Receiver, Simulator
from tests.simulator.test_telegram_api import (
    call_method,
    call_ok,
    inline_keyboard,
    refusal,
    start_bot,
    team_chat,
    telegram_state,
)


def simulate(simulator: Simulator, action: str, **parameters: Any) -> dict[str, Any]:
    answer = simulator.post_json(f"/simulator/telegram/{action}", **parameters)
    assert answer.status == 200, answer.text
    result: dict[str, Any] = answer.json
    return result


def received_updates(receiver: Receiver, count: int) -> list[dict[str, Any]]:
    return [json.loads(callback.raw) for callback in receiver.wait_for(count)]


@pytest.fixture
def webhook(simulator: Simulator, receiver: Receiver) -> Iterator[Receiver]:
    """Set the receiver as the bot's webhook and return it."""
    call_ok(
        simulator,
        "setWebhook",
        url=f"{receiver.url}/tg",
        secret_token="Secret_1",
        allowed_updates=[],
        drop_pending_updates=True,
    )
    yield receiver
    call_ok(simulator, "deleteWebhook", drop_pending_updates=True)


def test_deep_link_creates_a_chat_and_sends_an_update(simulator, webhook):
    page = simulator.call("GET", "/SignpostDemoBot?start=abc_DEF-1")
    assert 'name="payload" value="abc_DEF-1"' in page.text
    answer = simulator.call(
        "POST",
        "/SignpostDemoBot",
        {"who": "Nia Park", "payload": "abc_DEF-1"},
        Origin=simulator.url,
    )
    [update] = received_updates(webhook, 1)
    message = update["message"]
    assert message["text"] == "/start abc_DEF-1"
    assert message["entities"] == [{"offset": 0, "length": 6, "type": "bot_command"}]
    assert (
        message["from"] | {"is_bot": False, "first_name": "Nia", "last_name": "Park"}
        == message["from"]
    )
    assert (message["chat"]["id"], message["chat"]["type"]) == (message["from"]["id"], "private")
    assert answer.headers["Location"].startswith(
        f"/simulator/telegram?chat={message['chat']['id']}"
    )
    assert webhook.received[0].headers["X-Telegram-Bot-Api-Secret-Token"] == "Secret_1"
    assert webhook.received[0].url.endswith("/tg")
    call_ok(simulator, "sendMessage", chat_id=message["chat"]["id"], text="Welcome")


def test_invalid_start_parameter_is_dropped(simulator, webhook):
    assert (
        'name="payload" value=""' in simulator.call("GET", "/SignpostDemoBot?start=no%20way").text
    )
    simulate(simulator, "start", who="Ines Roth", payload="x" * 65)
    assert received_updates(webhook, 1)[0]["message"]["text"] == "/start"


def test_group_link_adds_the_bot_to_a_group(simulator, webhook):
    assert (
        "Add the bot to the group" in simulator.call("GET", "/SignpostDemoBot?startgroup=tok").text
    )
    chat = simulate(simulator, "start", who="Tom Okafor", group="Beta deals", payload="tok")["chat"]
    member, message = received_updates(webhook, 2)
    assert member["my_chat_member"]["new_chat_member"]["status"] == "member"
    assert member["my_chat_member"]["chat"] == {"id": chat, "title": "Beta deals", "type": "group"}
    assert message["message"]["text"] == "/start@SignpostDemoBot tok"
    call_ok(simulator, "sendMessage", chat_id=chat, text="Here I am")


def test_updates_have_increasing_ids_in_order_of_writing(simulator, webhook):
    start_bot(simulator, "Uma Lee")
    for text in ("one", "two", "/stop"):
        simulate(simulator, "write", who="Uma Lee", text=text)
    updates = received_updates(webhook, 4)
    assert [update["message"]["text"] for update in updates] == ["/start", "one", "two", "/stop"]
    numbers = [update["update_id"] for update in updates]
    assert numbers == sorted(set(numbers))


def test_blocked_bot_receives_an_error_until_it_is_unblocked(simulator, webhook):
    chat = start_bot(simulator, "Leo Katz")
    simulate(simulator, "block", who="Leo Katz")
    assert refusal(simulator, "sendMessage", chat_id=chat, text="Hi") == (
        403,
        "Forbidden: bot was blocked by the user",
    )
    assert simulator.post_json("/simulator/telegram/write", who="Leo Katz", text="x").status == 400
    simulate(simulator, "block", who="Leo Katz", blocked=0)
    call_ok(simulator, "sendMessage", chat_id=chat, text="Hi again")
    changes = [update["my_chat_member"] for update in received_updates(webhook, 3)[1:]]
    states = [
        (change["old_chat_member"]["status"], change["new_chat_member"]["status"])
        for change in changes
    ]
    assert states == [("member", "kicked"), ("kicked", "member")]
    assert {change["chat"]["id"] for change in changes} == {chat}


def test_start_unblocks_the_bot_first(simulator, webhook):
    start_bot(simulator, "Mia Ruiz")
    simulate(simulator, "block", who="Mia Ruiz")
    simulate(simulator, "start", who="Mia Ruiz", payload="again")
    *_, member, message = received_updates(webhook, 4)
    assert member["my_chat_member"]["new_chat_member"]["status"] == "member"
    assert message["message"]["text"] == "/start again"


def test_button_action_sends_an_update_and_is_pending_until_answered(simulator, webhook):
    markup = inline_keyboard({"text": "Remind Tom", "callback_data": "r:1"})
    sent = call_ok(
        simulator, "sendMessage", chat_id=team_chat(simulator), text="NDA", reply_markup=markup
    )
    result = simulate(
        simulator, "press", chat=team_chat(simulator), button="Remind Tom", who="Priya Nair"
    )
    assert result["answer"] == "response 204"
    query = received_updates(webhook, 1)[0]["callback_query"]
    assert (query["id"], query["data"], query["from"]["first_name"]) == (
        result["query"],
        "r:1",
        "Priya",
    )
    assert (query["message"]["message_id"], query["message"]["reply_markup"]) == (
        sent["message_id"],
        markup,
    )
    assert not telegram_state(simulator)["presses"][-1]["answered"]
    call_ok(
        simulator, "answerCallbackQuery", callback_query_id=query["id"], text="Tom was reminded"
    )
    assert (
        telegram_state(simulator)["presses"][-1] | {"answered": True, "said": "Tom was reminded"}
        == telegram_state(simulator)["presses"][-1]
    )
    second_answer = refusal(simulator, "answerCallbackQuery", callback_query_id=query["id"])
    assert second_answer == (
        400,
        "Bad Request: query is too old and response timeout expired or query ID is invalid",
    )
    assert (
        refusal(simulator, "answerCallbackQuery", callback_query_id=query["id"], text="x" * 201)[0]
        == 400
    )


def test_button_of_an_edited_message_can_still_be_pressed_in_an_old_view(simulator, webhook):
    sent = call_ok(
        simulator,
        "sendMessage",
        chat_id=team_chat(simulator),
        text="NDA",
        reply_markup=inline_keyboard({"text": "Old", "callback_data": "old:1"}),
    )
    call_ok(
        simulator,
        "editMessageText",
        chat_id=team_chat(simulator),
        message_id=sent["message_id"],
        text="Done",
    )
    simulate(
        simulator, "press", chat=team_chat(simulator), message=sent["message_id"], button="old:1"
    )
    assert received_updates(webhook, 1)[0]["callback_query"]["message"]["text"] == "Done"
    assert (
        simulator.post_json(
            "/simulator/telegram/press", chat=team_chat(simulator), button="never there"
        ).status
        == 400
    )


def test_many_people_can_press_at_once(simulator, webhook):
    call_ok(
        simulator,
        "sendMessage",
        chat_id=team_chat(simulator),
        text="NDA",
        reply_markup=inline_keyboard({"text": "Go", "callback_data": "go"}),
    )
    with ThreadPoolExecutor(10) as pool:
        list(
            pool.map(
                lambda n: simulate(
                    simulator, "press", chat=team_chat(simulator), button="go", who=f"Person {n}"
                ),
                range(10),
            )
        )
    assert (
        len({update["callback_query"]["from"]["id"] for update in received_updates(webhook, 10)})
        == 10
    )


def test_webhook_response_may_call_a_method(simulator, webhook, wait):
    call_ok(
        simulator,
        "sendMessage",
        chat_id=team_chat(simulator),
        text="NDA",
        reply_markup=inline_keyboard({"text": "Go", "callback_data": "go"}),
    )
    webhook.kind = "application/json"
    webhook.twiml = json.dumps(
        {"method": "sendMessage", "chat_id": team_chat(simulator), "text": "From the answer"}
    ).encode()
    simulate(simulator, "press", chat=team_chat(simulator), button="go")
    wait(
        lambda: (
            telegram_state(simulator, team_chat(simulator))["messages"][-1]["text"]
            == "From the answer"
        )
    )


def test_webhook_response_may_answer_the_button_action(simulator, webhook, wait):
    call_ok(
        simulator,
        "sendMessage",
        chat_id=team_chat(simulator),
        text="NDA",
        reply_markup=inline_keyboard({"text": "Go", "callback_data": "go"}),
    )
    webhook.answers["received"] = [503]  # so that the press is known before its answer is
    query = simulate(simulator, "press", chat=team_chat(simulator), button="go")["query"]
    webhook.kind = "application/json"
    webhook.twiml = json.dumps(
        {"method": "answerCallbackQuery", "callback_query_id": query, "text": "Done"}
    ).encode()
    wait(lambda: telegram_state(simulator)["presses"][-1]["said"] == "Done")


def test_update_is_repeated_until_accepted_without_blocking_others(simulator, webhook):
    first = start_bot(simulator, "Ivo Novak")
    second = start_bot(simulator, "Eva Horn")
    webhook.wait_for(2)
    webhook.answers["received"] = [500, 503]
    assert (
        simulate(simulator, "write", chat=first, text="Again and again")["answer"] == "response 500"
    )
    info = call_ok(simulator, "getWebhookInfo")
    assert (
        info["last_error_message"] == "Wrong response from the webhook: 500 Internal Server Error"
    )
    assert info["pending_update_count"] == 1
    updates = received_updates(webhook, 5)[2:]
    assert [update["message"]["text"] for update in updates] == ["Again and again"] * 3
    assert len({update["update_id"] for update in updates}) == 1
    simulate(simulator, "write", chat=second, text="Meanwhile")
    assert received_updates(webhook, 6)[-1]["message"]["text"] == "Meanwhile"


def test_unwanted_update_kinds_are_not_delivered(simulator, webhook):
    call_ok(simulator, "setWebhook", url=webhook.url, allowed_updates=["message"])
    start_bot(simulator, "Max Berg")
    assert simulate(simulator, "block", who="Max Berg")["update"] == 0
    assert len(received_updates(webhook, 1)) == 1


def test_updates_wait_for_a_webhook_and_survive_a_restart(restartable_simulator, receiver):
    start_bot(restartable_simulator, "Tom Okafor")
    assert (
        simulate(restartable_simulator, "write", who="Tom Okafor", text="Later")["answer"]
        == "waiting, because no webhook is set"
    )
    restartable_simulator.stop()
    restartable_simulator.start()
    assert call_ok(restartable_simulator, "getWebhookInfo")["pending_update_count"] == 2
    call_ok(restartable_simulator, "setWebhook", url=receiver.url)
    assert [update["message"]["text"] for update in received_updates(receiver, 2)] == [
        "/start",
        "Later",
    ]


def test_pending_updates_can_be_dropped(simulator, webhook):
    call_ok(simulator, "deleteWebhook")
    start_bot(simulator, "Kim Sand")
    call_ok(simulator, "setWebhook", url=webhook.url, drop_pending_updates=True)
    assert call_ok(simulator, "getWebhookInfo")["pending_update_count"] == 0


def test_new_webhook_receives_no_dropped_update(simulator, receiver):
    """Updates are added continuously, so that some are posted while the webhook changes."""
    with ThreadPoolExecutor(4) as pool:
        for round_number in range(10):
            for number in range(10):
                start_bot(simulator, f"Ada {number}")
            starts = [pool.submit(start_bot, simulator, f"Tom {number}") for number in range(20)]
            call_ok(simulator, "setWebhook", url=f"{receiver.url}/tg", drop_pending_updates=True)
            for start in starts:
                start.result()
            simulate(simulator, "start", who="Zoe", payload=str(round_number))
            received_updates(receiver, round_number + 1)
            call_ok(simulator, "deleteWebhook", drop_pending_updates=True)
    names = {update["message"]["from"]["first_name"] for update in received_updates(receiver, 1)}
    assert names <= {"Tom", "Zoe"}


def test_upgraded_group_has_a_new_id(restartable_simulator, receiver):
    old = simulate(restartable_simulator, "start", group="Beta deals", who="Tom Okafor")["chat"]
    call_ok(restartable_simulator, "setWebhook", url=receiver.url, drop_pending_updates=True)
    new = simulate(restartable_simulator, "upgrade", chat=old)["chat"]
    assert str(new).startswith("-100")
    answer = call_method(restartable_simulator, "sendMessage", chat_id=old, text="Hi")
    assert (answer.status, answer.json["parameters"]) == (400, {"migrate_to_chat_id": new})
    assert (
        call_ok(restartable_simulator, "sendMessage", chat_id=new, text="Hi")["chat"]["type"]
        == "supergroup"
    )
    notes = {
        update["message"].get("migrate_to_chat_id") or update["message"]["migrate_from_chat_id"]
        for update in received_updates(receiver, 2)
    }
    assert notes == {old, new}
    for supergroup in (new, team_chat(restartable_simulator)):
        assert (
            restartable_simulator.post_json("/simulator/telegram/upgrade", chat=supergroup).status
            == 400
        )


def test_bot_receives_only_commands_in_a_group(simulator, webhook):
    assert (
        simulate(simulator, "write", chat=team_chat(simulator), who="Tom Okafor", text="Hello all")[
            "update"
        ]
        == 0
    )
    simulate(
        simulator,
        "write",
        chat=team_chat(simulator),
        who="Tom Okafor",
        text="/start@SignpostDemoBot",
    )
    assert received_updates(webhook, 1)[0]["message"]["from"]["first_name"] == "Tom"


def test_addresses_outside_loopback_are_not_called(simulator, webhook):
    call_ok(simulator, "setWebhook", url="https://hub.example.com/tg")
    assert "not on this machine" in simulate(simulator, "start", who="Zed Quinn")["answer"]
    assert "not on this machine" in call_ok(simulator, "getWebhookInfo")["last_error_message"]
