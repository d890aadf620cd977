"""The simulated Telegram delivers updates to the bot's webhook, in order, until accepted."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.simulator.conftest import Receiver, Simulator
from tests.simulator.test_telegram_api import call, done, keys, person, refusal, state, team


def act(simulator: Simulator, what: str, **given: Any) -> dict[str, Any]:
    answer = simulator.post_json(f"/simulator/telegram/{what}", **given)
    assert answer.status == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


def told(receiver: Receiver, count: int) -> list[dict[str, Any]]:
    return [json.loads(one.raw) for one in receiver.wait_for(count)]


@pytest.fixture
def webhook(simulator: Simulator, receiver: Receiver) -> Iterator[Receiver]:
    """The receiver as the bot's webhook."""
    done(
        simulator,
        "setWebhook",
        url=f"{receiver.url}/tg",
        secret_token="Secret_1",
        allowed_updates=[],
        drop_pending_updates=True,
    )
    yield receiver
    done(simulator, "deleteWebhook", drop_pending_updates=True)


def test_start_through_a_deep_link_makes_the_chat_and_is_told(simulator, webhook):
    page = simulator.call("GET", "/SignpostDemoBot?start=abc_DEF-1")
    assert 'name="payload" value="abc_DEF-1"' in page.text
    answer = simulator.call(
        "POST",
        "/SignpostDemoBot",
        {"who": "Nia Park", "payload": "abc_DEF-1"},
        Origin=simulator.url,
    )
    [update] = told(webhook, 1)
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
    done(simulator, "sendMessage", chat_id=message["chat"]["id"], text="Welcome")


def test_a_payload_that_telegram_would_not_take_is_left_out(simulator, webhook):
    assert (
        'name="payload" value=""' in simulator.call("GET", "/SignpostDemoBot?start=no%20way").text
    )
    act(simulator, "start", who="Ines Roth", payload="x" * 65)
    assert told(webhook, 1)[0]["message"]["text"] == "/start"


def test_a_group_link_adds_the_bot_to_a_group(simulator, webhook):
    assert (
        "Add the bot to the group" in simulator.call("GET", "/SignpostDemoBot?startgroup=tok").text
    )
    chat = act(simulator, "start", who="Tom Okafor", group="Beta deals", payload="tok")["chat"]
    member, message = told(webhook, 2)
    assert member["my_chat_member"]["new_chat_member"]["status"] == "member"
    assert member["my_chat_member"]["chat"] == {"id": chat, "title": "Beta deals", "type": "group"}
    assert message["message"]["text"] == "/start@SignpostDemoBot tok"
    done(simulator, "sendMessage", chat_id=chat, text="Here I am")


def test_updates_are_numbered_upwards_and_what_is_written_is_in_order(simulator, webhook):
    person(simulator, "Uma Lee")
    for text in ("one", "two", "/stop"):
        act(simulator, "write", who="Uma Lee", text=text)
    updates = told(webhook, 4)
    assert [one["message"]["text"] for one in updates] == ["/start", "one", "two", "/stop"]
    numbers = [one["update_id"] for one in updates]
    assert numbers == sorted(set(numbers))


def test_blocked_bot_receives_an_error_until_it_is_unblocked(simulator, webhook):
    chat = person(simulator, "Leo Katz")
    act(simulator, "block", who="Leo Katz")
    assert refusal(simulator, "sendMessage", chat_id=chat, text="Hi") == (
        403,
        "Forbidden: bot was blocked by the user",
    )
    assert simulator.post_json("/simulator/telegram/write", who="Leo Katz", text="x").status == 400
    act(simulator, "block", who="Leo Katz", blocked=0)
    done(simulator, "sendMessage", chat_id=chat, text="Hi again")
    changes = [one["my_chat_member"] for one in told(webhook, 3)[1:]]
    states = [
        (one["old_chat_member"]["status"], one["new_chat_member"]["status"]) for one in changes
    ]
    assert states == [("member", "kicked"), ("kicked", "member")]
    assert {one["chat"]["id"] for one in changes} == {chat}


def test_start_unblocks_the_bot_first(simulator, webhook):
    person(simulator, "Mia Ruiz")
    act(simulator, "block", who="Mia Ruiz")
    act(simulator, "start", who="Mia Ruiz", payload="again")
    *_, member, message = told(webhook, 4)
    assert member["my_chat_member"]["new_chat_member"]["status"] == "member"
    assert message["message"]["text"] == "/start again"


def test_a_press_is_told_and_spins_until_it_is_answered(simulator, webhook):
    markup = keys({"text": "Remind Tom", "callback_data": "r:1"})
    sent = done(simulator, "sendMessage", chat_id=team(simulator), text="NDA", reply_markup=markup)
    pressed = act(simulator, "press", chat=team(simulator), button="Remind Tom", who="Priya Nair")
    assert pressed["answer"] == "answered 204"
    query = told(webhook, 1)[0]["callback_query"]
    assert (query["id"], query["data"], query["from"]["first_name"]) == (
        pressed["query"],
        "r:1",
        "Priya",
    )
    assert (query["message"]["message_id"], query["message"]["reply_markup"]) == (
        sent["message_id"],
        markup,
    )
    assert not state(simulator)["presses"][-1]["answered"]
    done(simulator, "answerCallbackQuery", callback_query_id=query["id"], text="Tom was reminded")
    assert (
        state(simulator)["presses"][-1] | {"answered": True, "said": "Tom was reminded"}
        == state(simulator)["presses"][-1]
    )
    again = refusal(simulator, "answerCallbackQuery", callback_query_id=query["id"])
    assert again == (
        400,
        "Bad Request: query is too old and response timeout expired or query ID is invalid",
    )
    assert (
        refusal(simulator, "answerCallbackQuery", callback_query_id=query["id"], text="x" * 201)[0]
        == 400
    )


def test_a_button_that_was_edited_away_can_still_be_pressed_by_who_sees_it(simulator, webhook):
    sent = done(
        simulator,
        "sendMessage",
        chat_id=team(simulator),
        text="NDA",
        reply_markup=keys({"text": "Old", "callback_data": "old:1"}),
    )
    done(
        simulator,
        "editMessageText",
        chat_id=team(simulator),
        message_id=sent["message_id"],
        text="Done",
    )
    act(simulator, "press", chat=team(simulator), message=sent["message_id"], button="old:1")
    assert told(webhook, 1)[0]["callback_query"]["message"]["text"] == "Done"
    assert (
        simulator.post_json(
            "/simulator/telegram/press", chat=team(simulator), button="never there"
        ).status
        == 400
    )


def test_many_people_press_at_once(simulator, webhook):
    done(
        simulator,
        "sendMessage",
        chat_id=team(simulator),
        text="NDA",
        reply_markup=keys({"text": "Go", "callback_data": "go"}),
    )
    with ThreadPoolExecutor(10) as pool:
        list(
            pool.map(
                lambda n: act(
                    simulator, "press", chat=team(simulator), button="go", who=f"Person {n}"
                ),
                range(10),
            )
        )
    assert len({one["callback_query"]["from"]["id"] for one in told(webhook, 10)}) == 10


def test_an_answer_may_call_a_method(simulator, webhook, wait):
    done(
        simulator,
        "sendMessage",
        chat_id=team(simulator),
        text="NDA",
        reply_markup=keys({"text": "Go", "callback_data": "go"}),
    )
    webhook.kind = "application/json"
    webhook.twiml = json.dumps(
        {"method": "sendMessage", "chat_id": team(simulator), "text": "From the answer"}
    ).encode()
    act(simulator, "press", chat=team(simulator), button="go")
    wait(lambda: state(simulator, team(simulator))["messages"][-1]["text"] == "From the answer")


def test_an_answer_may_answer_the_press(simulator, webhook, wait):
    done(
        simulator,
        "sendMessage",
        chat_id=team(simulator),
        text="NDA",
        reply_markup=keys({"text": "Go", "callback_data": "go"}),
    )
    webhook.answers["received"] = [503]  # so that the press is known before its answer is
    query = act(simulator, "press", chat=team(simulator), button="go")["query"]
    webhook.kind = "application/json"
    webhook.twiml = json.dumps(
        {"method": "answerCallbackQuery", "callback_query_id": query, "text": "Done"}
    ).encode()
    wait(lambda: state(simulator)["presses"][-1]["said"] == "Done")


def test_update_is_repeated_until_accepted_without_blocking_others(simulator, webhook):
    first = person(simulator, "Ivo Novak")
    second = person(simulator, "Eva Horn")
    webhook.wait_for(2)
    webhook.answers["received"] = [500, 503]
    assert act(simulator, "write", chat=first, text="Again and again")["answer"] == "answered 500"
    info = done(simulator, "getWebhookInfo")
    assert (
        info["last_error_message"] == "Wrong response from the webhook: 500 Internal Server Error"
    )
    assert info["pending_update_count"] == 1
    updates = told(webhook, 5)[2:]
    assert [one["message"]["text"] for one in updates] == ["Again and again"] * 3
    assert len({one["update_id"] for one in updates}) == 1
    act(simulator, "write", chat=second, text="Meanwhile")
    assert told(webhook, 6)[-1]["message"]["text"] == "Meanwhile"


def test_kinds_that_are_not_wanted_are_not_told(simulator, webhook):
    done(simulator, "setWebhook", url=webhook.url, allowed_updates=["message"])
    person(simulator, "Max Berg")
    assert act(simulator, "block", who="Max Berg")["update"] == 0
    assert len(told(webhook, 1)) == 1


def test_updates_wait_for_a_webhook_and_a_restart_loses_none(restartable_simulator, receiver):
    person(restartable_simulator, "Tom Okafor")
    assert (
        act(restartable_simulator, "write", who="Tom Okafor", text="Later")["answer"]
        == "waiting, because no webhook is set"
    )
    restartable_simulator.stop()
    restartable_simulator.start()
    assert done(restartable_simulator, "getWebhookInfo")["pending_update_count"] == 2
    done(restartable_simulator, "setWebhook", url=receiver.url)
    assert [one["message"]["text"] for one in told(receiver, 2)] == ["/start", "Later"]


def test_pending_updates_can_be_dropped(simulator, webhook):
    done(simulator, "deleteWebhook")
    person(simulator, "Kim Sand")
    done(simulator, "setWebhook", url=webhook.url, drop_pending_updates=True)
    assert done(simulator, "getWebhookInfo")["pending_update_count"] == 0


def test_new_webhook_receives_no_dropped_update(simulator, receiver):
    """New updates are added all the time, so that some are posted while the webhook changes."""
    with ThreadPoolExecutor(4) as pool:
        for round_number in range(10):
            for number in range(10):
                person(simulator, f"Ada {number}")
            others = [pool.submit(person, simulator, f"Tom {number}") for number in range(20)]
            done(simulator, "setWebhook", url=f"{receiver.url}/tg", drop_pending_updates=True)
            for other in others:
                other.result()
            act(simulator, "start", who="Zoe", payload=str(round_number))
            told(receiver, round_number + 1)
            done(simulator, "deleteWebhook", drop_pending_updates=True)
    names = {update["message"]["from"]["first_name"] for update in told(receiver, 1)}
    assert names <= {"Tom", "Zoe"}


def test_a_group_that_was_upgraded_has_another_id(restartable_simulator, receiver):
    old = act(restartable_simulator, "start", group="Beta deals", who="Tom Okafor")["chat"]
    done(restartable_simulator, "setWebhook", url=receiver.url, drop_pending_updates=True)
    new = act(restartable_simulator, "upgrade", chat=old)["chat"]
    assert str(new).startswith("-100")
    answer = call(restartable_simulator, "sendMessage", chat_id=old, text="Hi")
    assert (answer.status, answer.json["parameters"]) == (400, {"migrate_to_chat_id": new})
    assert (
        done(restartable_simulator, "sendMessage", chat_id=new, text="Hi")["chat"]["type"]
        == "supergroup"
    )
    notes = {
        one["message"].get("migrate_to_chat_id") or one["message"]["migrate_from_chat_id"]
        for one in told(receiver, 2)
    }
    assert notes == {old, new}
    for supergroup in (new, team(restartable_simulator)):
        assert (
            restartable_simulator.post_json("/simulator/telegram/upgrade", chat=supergroup).status
            == 400
        )


def test_in_a_group_the_bot_hears_commands_only(simulator, webhook):
    assert (
        act(simulator, "write", chat=team(simulator), who="Tom Okafor", text="Hello all")["update"]
        == 0
    )
    act(simulator, "write", chat=team(simulator), who="Tom Okafor", text="/start@SignpostDemoBot")
    assert told(webhook, 1)[0]["message"]["from"]["first_name"] == "Tom"


def test_nothing_is_posted_off_this_machine(simulator, webhook):
    done(simulator, "setWebhook", url="https://hub.example.com/tg")
    assert "not on this machine" in act(simulator, "start", who="Zed Quinn")["answer"]
    assert "not on this machine" in done(simulator, "getWebhookInfo")["last_error_message"]
