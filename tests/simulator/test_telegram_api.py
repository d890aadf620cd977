"""The Bot API as Telegram's documentation has it, over plain HTTP."""

import hashlib
import json
from typing import Any

import pytest

from hub.simulator.telegram import scripted_faults
from tests.simulator.conftest import Answer, Simulator


def token(simulator: Simulator) -> str:
    made_up = simulator.credentials.derive
    number = int(made_up("telegram bot", 12), 16) % 9_000_000_000 + 1_000_000_000
    return f"{number}:{made_up('telegram token', 35)}"


def team(simulator: Simulator) -> int:
    number = int(simulator.credentials.derive("telegram team", 12), 16)
    return int(f"-100{number % 9_000_000_000 + 1_000_000_000}")


def call(simulator: Simulator, method: str, **params: Any) -> Answer:
    return simulator.post_json(f"/bot{token(simulator)}/{method}", **params)


def done(simulator: Simulator, method: str, **params: Any) -> Any:
    answer = call(simulator, method, **params)
    assert answer.status == 200, answer.text
    return answer.json["result"]


def refusal(simulator: Simulator, method: str, **params: Any) -> tuple[int, str]:
    answer = call(simulator, method, **params)
    assert answer.json["ok"] is False
    assert answer.json["error_code"] == answer.status
    return answer.status, answer.json["description"]


def state(simulator: Simulator, chat: int | str = "") -> dict[str, Any]:
    found: dict[str, Any] = simulator.call("GET", f"/simulator/telegram.json?chat={chat}").json
    return found


def person(simulator: Simulator, name: str) -> int:
    """Let somebody start the bot and return the chat's id."""
    return int(simulator.post_json("/simulator/telegram/start", who=name).json["chat"])


def keys(*buttons: dict[str, str]) -> dict[str, Any]:
    return {"inline_keyboard": [[button] for button in buttons]}


def test_auth_test_returns_the_bot(simulator):
    me = done(simulator, "getMe")
    assert (me["is_bot"], me["username"], str(me["id"])) == (
        True,
        "SignpostDemoBot",
        token(simulator).partition(":")[0],
    )


@pytest.mark.parametrize("fault", scripted_faults.TOKENS, ids=lambda one: one.error)
def test_another_token_opens_nothing(simulator, fault):
    answer = simulator.post_json(f"/bot{fault.address}/getMe")
    assert (answer.status, answer.json["description"]) == (fault.status, fault.error)


def test_an_unknown_method_is_not_found(simulator):
    assert refusal(simulator, "sendParade")[0] == 404


def test_a_message_arrives_with_its_entities_and_keyboard(simulator):
    markup = keys(
        {"text": "Open", "url": "https://sign.example/a"},
        {"text": "Remind", "callback_data": "r:1"},
    )
    said = '🖊 <b>NDA</b> &amp; <a href="https://sign.example/a?b=1&amp;c=2">more</a>'
    message = done(
        simulator,
        "sendMessage",
        chat_id=team(simulator),
        text=said,
        parse_mode="HTML",
        reply_markup=markup,
    )
    assert message["text"] == "🖊 NDA & more"
    assert message["entities"] == [
        {"offset": 3, "length": 3, "type": "bold"},
        {"offset": 9, "length": 4, "type": "text_link", "url": "https://sign.example/a?b=1&c=2"},
    ]
    assert message["chat"] == {"id": team(simulator), "title": "Acme signing", "type": "supergroup"}
    shown = state(simulator, team(simulator))["messages"][-1]
    assert (shown["text"], shown["keyboard"], shown["by"]) == (
        "🖊 NDA & more",
        markup["inline_keyboard"],
        None,
    )


def test_a_form_and_the_address_are_taken_as_well_as_json(simulator):
    form = {
        "chat_id": str(team(simulator)),
        "text": "From a form",
        "reply_markup": json.dumps(keys({"text": "a", "callback_data": "b"})),
    }
    answer = simulator.call("POST", f"/bot{token(simulator)}/sendMessage", form)
    assert answer.json["result"]["reply_markup"]["inline_keyboard"] == [
        [{"text": "a", "callback_data": "b"}]
    ]
    answer = simulator.call(
        "GET",
        f"/bot{token(simulator)}/sendmessage?chat_id={team(simulator)}&text=From%20the%20address",
    )
    assert answer.json["result"]["text"] == "From the address"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<b>open", 'Can\'t find end tag corresponding to start tag "b"'),
        ("é<br>", 'Unsupported start tag "br" at byte offset 2'),
        ("2 < 3", 'Unsupported start tag "" at byte offset 2'),
        ("<b><i>x</b></i>", 'Unmatched end tag at byte offset 7, expected "</i>", found "</b>"'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
        ('<a href="x', 'Unclosed start tag "a" at byte offset 0'),
    ],
)
def test_html_that_telegram_cannot_read_is_refused(simulator, text, problem):
    answer = refusal(
        simulator, "sendMessage", chat_id=team(simulator), text=text, parse_mode="HTML"
    )
    assert answer == (400, f"Bad Request: can't parse entities: {problem}")
    assert done(simulator, "sendMessage", chat_id=team(simulator), text=text)["text"] == text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a &lt;b&gt; &amp;amp; &quot; &#39;&#x41; &nbsp; & x", "a <b> &amp; \" 'A &nbsp; & x"),
        ('<pre><code class="language-python">x = 1</code></pre>', "x = 1"),
        (
            (
                "<blockquote expandable>q</blockquote><span"
                ' class="tg-spoiler">s</span><tg-spoiler>t</tg-spoiler>'
            ),
            "qst",
        ),
        ("<STRONG>a</strong><em>b</em><ins>c</ins><strike>d</strike><del>e</del>", "abcde"),
        ("  <b>in the middle</b>\n", "in the middle"),
    ],
)
def test_html_that_telegram_reads_is_taken(simulator, text, plain):
    assert (
        done(simulator, "sendMessage", chat_id=team(simulator), text=text, parse_mode="HTML")[
            "text"
        ]
        == plain
    )


def test_4096_characters_are_counted_after_the_entities_are_read(simulator):
    chat = team(simulator)
    assert done(
        simulator, "sendMessage", chat_id=chat, text=f"<b>{'é' * 4095}</b>&amp;", parse_mode="HTML"
    )
    assert refusal(simulator, "sendMessage", chat_id=chat, text="x" * 4097) == (
        400,
        "Bad Request: message is too long",
    )
    for empty in ("", " \n", "<b></b>"):
        mode = {"parse_mode": "HTML"}
        assert refusal(simulator, "sendMessage", chat_id=chat, text=empty, **mode) == (
            400,
            "Bad Request: message text is empty",
        )


@pytest.mark.parametrize(
    ("markup", "problem"),
    [
        (keys({"text": "x", "callback_data": "é" * 33}), "BUTTON_DATA_INVALID"),
        (keys({"text": "x", "callback_data": ""}), "BUTTON_DATA_INVALID"),
        (keys({"text": "x", "url": "javascript:1"}), "Wrong HTTP URL specified"),
        (keys({"text": "x", "url": "sign.example/a"}), "Wrong HTTP URL specified"),
        (keys(*[{"text": "x", "callback_data": "y"}] * 101), "reply markup is too long"),
        (
            {"inline_keyboard": [[{"text": "x", "callback_data": "y"}] * 9]},
            "reply markup is too long",
        ),
        (
            keys({"text": "x"}),
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        ),
        (
            keys({"callback_data": "x"}),
            'can\'t parse inline keyboard button: Field "text" must be of type String',
        ),
    ],
)
def test_buttons_are_checked(simulator, markup, problem):
    answer = refusal(
        simulator, "sendMessage", chat_id=team(simulator), text="x", reply_markup=markup
    )
    assert answer == (400, f"Bad Request: {problem}")


def test_a_bot_cannot_write_first(simulator):
    never = next(chat["id"] for chat in state(simulator)["chats"] if chat["name"] == "Priya Nair")
    assert refusal(simulator, "sendMessage", chat_id=never, text="Hi") == (
        403,
        scripted_faults.NEVER_STARTED,
    )
    assert refusal(simulator, "sendMessage", chat_id=12345, text="Hi") == (
        400,
        "Bad Request: chat not found",
    )
    assert refusal(simulator, "sendMessage", chat_id="@nobody", text="Hi") == (
        400,
        "Bad Request: chat not found",
    )
    assert refusal(simulator, "sendMessage", text="Hi") == (400, "Bad Request: chat_id is empty")
    started = person(simulator, "Ada Byron")
    assert (
        started
        == int(hashlib.sha256(b"Ada Byron").hexdigest()[:12], 16) % 9_000_000_000 + 1_000_000_000
    )
    assert (
        done(simulator, "sendMessage", chat_id=str(started), text="Hi")["chat"]["first_name"]
        == "Ada"
    )
    assert done(simulator, "getChat", chat_id=started)["type"] == "private"


REFUSING = [one for one in scripted_faults.CHATS if one.error and not one.breaks]


@pytest.mark.parametrize("fault", REFUSING, ids=lambda one: f"{one.address} {one.error}")
def test_scripted_chat_refuses_and_a_flaky_one_accepts_the_second_time(simulator, fault):
    simulator.post_json("/simulator/telegram/empty")
    said = {"chat_id": int(fault.address), "text": "Hello", "parse_mode": "HTML"}
    answer = call(simulator, "sendMessage", **said)
    assert (answer.status, answer.json["description"]) == (fault.status, fault.error)
    parameters = {429: {"retry_after": 1}}.get(fault.status) or (
        {"migrate_to_chat_id": fault.moved_to} if fault.moved_to else None
    )
    assert answer.json.get("parameters") == parameters
    assert (call(simulator, "sendMessage", **said).status == 200) == fault.once
    if fault.moved_to:
        done(simulator, "sendMessage", chat_id=fault.moved_to, text="Hello")
    if fault.formatted:
        done(simulator, "sendMessage", chat_id=int(fault.address), text="Hello")


def test_a_chat_breaks_after_taking_the_message(simulator):
    assert refusal(simulator, "sendMessage", chat_id=99950090, text="Once")[0] == 500
    assert [one["text"] for one in state(simulator, 99950090)["messages"]] == ["Once"]


def test_a_message_is_edited_unless_nothing_changes(simulator):
    chat = team(simulator)
    markup = keys({"text": "Remind", "callback_data": "r"})
    number = done(simulator, "sendMessage", chat_id=chat, text="Waits", reply_markup=markup)[
        "message_id"
    ]
    here = {"chat_id": chat, "message_id": number}
    assert (
        "is not modified"
        in refusal(simulator, "editMessageText", **here, text="Waits", reply_markup=markup)[1]
    )
    assert (
        "is not modified"
        in refusal(simulator, "editMessageReplyMarkup", **here, reply_markup=markup)[1]
    )
    assert "reply_markup" not in done(
        simulator, "editMessageText", **here, text="<i>Signed</i>", parse_mode="HTML"
    )
    done(simulator, "editMessageReplyMarkup", **here, reply_markup=markup)
    shown = state(simulator, chat)["messages"][-1]
    assert (shown["text"], shown["keyboard"], shown["edits"]) == (
        "Signed",
        markup["inline_keyboard"],
        2,
    )
    nowhere = refusal(simulator, "editMessageText", chat_id=chat, message_id=1 << 40, text="x")
    assert nowhere == (400, "Bad Request: message to edit not found")


def test_a_reply_names_what_it_answers(simulator):
    chat = team(simulator)
    first = done(simulator, "sendMessage", chat_id=chat, text="First")["message_id"]
    reply = done(
        simulator,
        "sendMessage",
        chat_id=chat,
        text="Second",
        reply_parameters={"message_id": first},
    )
    assert reply["reply_to_message"]["text"] == "First"
    gone = {"message_id": 1 << 40}
    assert (
        refusal(simulator, "sendMessage", chat_id=chat, text="x", reply_parameters=gone)[0] == 400
    )
    done(
        simulator,
        "sendMessage",
        chat_id=chat,
        text="x",
        reply_parameters=gone | {"allow_sending_without_reply": True},
    )


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        (
            {"url": "http://hub.example.com/x"},
            "bad webhook: An HTTPS URL must be provided for webhook",
        ),
        (
            {"url": "https://hub.example.com:8080/x"},
            "bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443",
        ),
        ({"url": "nonsense"}, "bad webhook: invalid URL specified"),
        (
            {"url": "https://hub.example.com/x", "secret_token": "with space"},
            "secret token contains unallowed characters",
        ),
        (
            {"url": "https://hub.example.com/x", "secret_token": "x" * 257},
            "secret token is too long",
        ),
    ],
)
def test_a_webhook_is_checked(simulator, params, problem):
    assert refusal(simulator, "setWebhook", **params) == (400, f"Bad Request: {problem}")


def test_a_webhook_is_set_inspected_and_removed(restartable_simulator):
    assert done(restartable_simulator, "getWebhookInfo")["url"] == ""
    kinds = ["message", "callback_query"]
    done(
        restartable_simulator,
        "setWebhook",
        url="https://hub.example.com/x",
        secret_token="s-_1",
        allowed_updates=kinds,
        max_connections=3,
    )
    info = done(restartable_simulator, "getWebhookInfo")
    assert (info["url"], info["allowed_updates"], info["max_connections"]) == (
        "https://hub.example.com/x",
        kinds,
        3,
    )
    assert refusal(restartable_simulator, "getUpdates")[0] == 409
    done(restartable_simulator, "setWebhook", url="https://hub.example.com/y")
    assert done(restartable_simulator, "getWebhookInfo")["allowed_updates"] == kinds
    restartable_simulator.stop()
    restartable_simulator.start()
    assert done(restartable_simulator, "getWebhookInfo")["url"] == "https://hub.example.com/y"
    done(restartable_simulator, "deleteWebhook")
    assert done(restartable_simulator, "getWebhookInfo")["url"] == ""
    assert done(restartable_simulator, "getUpdates") == []


def test_the_faults_of_the_bench_are_telegrams_too(simulator):
    simulator.post_json("/simulator/faults", refuse=1, fail=1)
    answer = call(simulator, "getMe")
    assert (answer.status, answer.json["parameters"]) == (429, {"retry_after": 1})
    assert refusal(simulator, "getMe") == (500, "Internal Server Error")
