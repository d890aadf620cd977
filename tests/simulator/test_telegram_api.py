"""The Bot API as Telegram documents it, over plain HTTP."""

import hashlib
import json
from typing import Any

import pytest

from hub.simulator.telegram import scripted_faults
from tests.simulator.conftest import Response, Simulator


def bot_token(simulator: Simulator) -> str:
    made_up = simulator.credentials.derive
    number = int(made_up("telegram bot", 12), 16) % 9_000_000_000 + 1_000_000_000
    return f"{number}:{made_up('telegram token', 35)}"


def team_chat(simulator: Simulator) -> int:
    number = int(simulator.credentials.derive("telegram team", 12), 16)
    return int(f"-100{number % 9_000_000_000 + 1_000_000_000}")


def call_method(simulator: Simulator, method: str, **params: Any) -> Response:
    return simulator.post_json(f"/bot{bot_token(simulator)}/{method}", **params)


def call_ok(simulator: Simulator, method: str, **params: Any) -> Any:
    answer = call_method(simulator, method, **params)
    assert answer.status == 200, answer.text
    return answer.json["result"]


def refusal(simulator: Simulator, method: str, **params: Any) -> tuple[int, str]:
    answer = call_method(simulator, method, **params)
    assert answer.json["ok"] is False
    assert answer.json["error_code"] == answer.status
    return answer.status, answer.json["description"]


def telegram_state(simulator: Simulator, chat: int | str = "") -> dict[str, Any]:
    state: dict[str, Any] = simulator.call("GET", f"/simulator/telegram.json?chat={chat}").json
    return state


def start_bot(simulator: Simulator, name: str) -> int:
    """Start the bot as a person and return the chat ID."""
    return int(simulator.post_json("/simulator/telegram/start", who=name).json["chat"])


def inline_keyboard(*buttons: dict[str, str]) -> dict[str, Any]:
    return {"inline_keyboard": [[button] for button in buttons]}


def test_get_me_returns_the_bot(simulator):
    me = call_ok(simulator, "getMe")
    assert (me["is_bot"], me["username"], str(me["id"])) == (
        True,
        "SignpostDemoBot",
        bot_token(simulator).partition(":")[0],
    )


@pytest.mark.parametrize("fault", scripted_faults.TOKENS, ids=lambda scripted: scripted.error)
def test_other_token_is_unauthorized(simulator, fault):
    answer = simulator.post_json(f"/bot{fault.address}/getMe")
    assert (answer.status, answer.json["description"]) == (fault.status, fault.error)


def test_unknown_method_is_not_found(simulator):
    assert refusal(simulator, "sendParade")[0] == 404


def test_message_is_stored_with_its_entities_and_keyboard(simulator):
    markup = inline_keyboard(
        {"text": "Open", "url": "https://sign.example/a"},
        {"text": "Remind", "callback_data": "r:1"},
    )
    text = '🖊 <b>NDA</b> &amp; <a href="https://sign.example/a?b=1&amp;c=2">more</a>'
    message = call_ok(
        simulator,
        "sendMessage",
        chat_id=team_chat(simulator),
        text=text,
        parse_mode="HTML",
        reply_markup=markup,
    )
    assert message["text"] == "🖊 NDA & more"
    assert message["entities"] == [
        {"offset": 3, "length": 3, "type": "bold"},
        {"offset": 9, "length": 4, "type": "text_link", "url": "https://sign.example/a?b=1&c=2"},
    ]
    assert message["chat"] == {
        "id": team_chat(simulator),
        "title": "Acme signing",
        "type": "supergroup",
    }
    stored_message = telegram_state(simulator, team_chat(simulator))["messages"][-1]
    assert (stored_message["text"], stored_message["keyboard"], stored_message["by"]) == (
        "🖊 NDA & more",
        markup["inline_keyboard"],
        None,
    )


def test_form_query_and_json_parameters_are_accepted(simulator):
    form = {
        "chat_id": str(team_chat(simulator)),
        "text": "From a form",
        "reply_markup": json.dumps(inline_keyboard({"text": "a", "callback_data": "b"})),
    }
    answer = simulator.call("POST", f"/bot{bot_token(simulator)}/sendMessage", form)
    assert answer.json["result"]["reply_markup"]["inline_keyboard"] == [
        [{"text": "a", "callback_data": "b"}]
    ]
    answer = simulator.call(
        "GET",
        f"/bot{bot_token(simulator)}/sendmessage"
        f"?chat_id={team_chat(simulator)}&text=From%20the%20address",
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
def test_invalid_html_is_refused(simulator, text, problem):
    answer = refusal(
        simulator, "sendMessage", chat_id=team_chat(simulator), text=text, parse_mode="HTML"
    )
    assert answer == (400, f"Bad Request: can't parse entities: {problem}")
    assert (
        call_ok(simulator, "sendMessage", chat_id=team_chat(simulator), text=text)["text"] == text
    )


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
def test_valid_html_is_accepted(simulator, text, plain):
    assert (
        call_ok(
            simulator, "sendMessage", chat_id=team_chat(simulator), text=text, parse_mode="HTML"
        )["text"]
        == plain
    )


def test_text_limit_applies_after_parsing_entities(simulator):
    chat = team_chat(simulator)
    assert call_ok(
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
        (inline_keyboard({"text": "x", "callback_data": "é" * 33}), "BUTTON_DATA_INVALID"),
        (inline_keyboard({"text": "x", "callback_data": ""}), "BUTTON_DATA_INVALID"),
        (inline_keyboard({"text": "x", "url": "javascript:1"}), "Wrong HTTP URL specified"),
        (inline_keyboard({"text": "x", "url": "sign.example/a"}), "Wrong HTTP URL specified"),
        (inline_keyboard(*[{"text": "x", "callback_data": "y"}] * 101), "reply markup is too long"),
        (
            {"inline_keyboard": [[{"text": "x", "callback_data": "y"}] * 9]},
            "reply markup is too long",
        ),
        (
            inline_keyboard({"text": "x"}),
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        ),
        (
            inline_keyboard({"callback_data": "x"}),
            'can\'t parse inline keyboard button: Field "text" must be of type String',
        ),
    ],
)
def test_buttons_are_validated(simulator, markup, problem):
    answer = refusal(
        simulator, "sendMessage", chat_id=team_chat(simulator), text="x", reply_markup=markup
    )
    assert answer == (400, f"Bad Request: {problem}")


def test_bot_cannot_write_to_a_chat_that_did_not_start_it(simulator):
    never = next(
        chat["id"] for chat in telegram_state(simulator)["chats"] if chat["name"] == "Priya Nair"
    )
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
    started = start_bot(simulator, "Ada Byron")
    assert (
        started
        == int(hashlib.sha256(b"Ada Byron").hexdigest()[:12], 16) % 9_000_000_000 + 1_000_000_000
    )
    assert (
        call_ok(simulator, "sendMessage", chat_id=str(started), text="Hi")["chat"]["first_name"]
        == "Ada"
    )
    assert call_ok(simulator, "getChat", chat_id=started)["type"] == "private"


REFUSING = [one for one in scripted_faults.CHATS if one.error and not one.breaks]


@pytest.mark.parametrize(
    "fault", REFUSING, ids=lambda scripted: f"{scripted.address} {scripted.error}"
)
def test_scripted_chat_refuses_and_a_flaky_one_accepts_the_second_time(simulator, fault):
    simulator.post_json("/simulator/telegram/empty")
    fields = {"chat_id": int(fault.address), "text": "Hello", "parse_mode": "HTML"}
    answer = call_method(simulator, "sendMessage", **fields)
    assert (answer.status, answer.json["description"]) == (fault.status, fault.error)
    parameters = {429: {"retry_after": 1}}.get(fault.status) or (
        {"migrate_to_chat_id": fault.moved_to} if fault.moved_to else None
    )
    assert answer.json.get("parameters") == parameters
    assert (call_method(simulator, "sendMessage", **fields).status == 200) == fault.fails_once
    if fault.moved_to:
        call_ok(simulator, "sendMessage", chat_id=fault.moved_to, text="Hello")
    if fault.formatted:
        call_ok(simulator, "sendMessage", chat_id=int(fault.address), text="Hello")


def test_failing_chat_accepts_the_message_first(simulator):
    assert refusal(simulator, "sendMessage", chat_id=99950090, text="Once")[0] == 500
    assert [message["text"] for message in telegram_state(simulator, 99950090)["messages"]] == [
        "Once"
    ]


def test_message_is_edited_unless_nothing_changes(simulator):
    chat = team_chat(simulator)
    markup = inline_keyboard({"text": "Remind", "callback_data": "r"})
    number = call_ok(simulator, "sendMessage", chat_id=chat, text="Waits", reply_markup=markup)[
        "message_id"
    ]
    target = {"chat_id": chat, "message_id": number}
    assert (
        "is not modified"
        in refusal(simulator, "editMessageText", **target, text="Waits", reply_markup=markup)[1]
    )
    assert (
        "is not modified"
        in refusal(simulator, "editMessageReplyMarkup", **target, reply_markup=markup)[1]
    )
    assert "reply_markup" not in call_ok(
        simulator, "editMessageText", **target, text="<i>Signed</i>", parse_mode="HTML"
    )
    call_ok(simulator, "editMessageReplyMarkup", **target, reply_markup=markup)
    message = telegram_state(simulator, chat)["messages"][-1]
    assert (message["text"], message["keyboard"], message["edits"]) == (
        "Signed",
        markup["inline_keyboard"],
        2,
    )
    nowhere = refusal(simulator, "editMessageText", chat_id=chat, message_id=1 << 40, text="x")
    assert nowhere == (400, "Bad Request: message to edit not found")


def test_reply_contains_the_message_it_answers(simulator):
    chat = team_chat(simulator)
    first = call_ok(simulator, "sendMessage", chat_id=chat, text="First")["message_id"]
    reply = call_ok(
        simulator,
        "sendMessage",
        chat_id=chat,
        text="Second",
        reply_parameters={"message_id": first},
    )
    assert reply["reply_to_message"]["text"] == "First"
    missing_message = {"message_id": 1 << 40}
    assert (
        refusal(simulator, "sendMessage", chat_id=chat, text="x", reply_parameters=missing_message)[
            0
        ]
        == 400
    )
    call_ok(
        simulator,
        "sendMessage",
        chat_id=chat,
        text="x",
        reply_parameters=missing_message | {"allow_sending_without_reply": True},
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
def test_webhook_parameters_are_validated(simulator, params, problem):
    assert refusal(simulator, "setWebhook", **params) == (400, f"Bad Request: {problem}")


def test_webhook_is_set_inspected_and_removed(restartable_simulator):
    assert call_ok(restartable_simulator, "getWebhookInfo")["url"] == ""
    kinds = ["message", "callback_query"]
    call_ok(
        restartable_simulator,
        "setWebhook",
        url="https://hub.example.com/x",
        secret_token="s-_1",
        allowed_updates=kinds,
        max_connections=3,
    )
    info = call_ok(restartable_simulator, "getWebhookInfo")
    assert (info["url"], info["allowed_updates"], info["max_connections"]) == (
        "https://hub.example.com/x",
        kinds,
        3,
    )
    assert refusal(restartable_simulator, "getUpdates")[0] == 409
    call_ok(restartable_simulator, "setWebhook", url="https://hub.example.com/y")
    assert call_ok(restartable_simulator, "getWebhookInfo")["allowed_updates"] == kinds
    restartable_simulator.stop()
    restartable_simulator.start()
    assert call_ok(restartable_simulator, "getWebhookInfo")["url"] == "https://hub.example.com/y"
    call_ok(restartable_simulator, "deleteWebhook")
    assert call_ok(restartable_simulator, "getWebhookInfo")["url"] == ""
    assert call_ok(restartable_simulator, "getUpdates") == []


def test_simulated_faults_apply_to_telegram(simulator):
    simulator.post_json("/simulator/faults", refuse=1, fail=1)
    answer = call_method(simulator, "getMe")
    assert (answer.status, answer.json["parameters"]) == (429, {"retry_after": 1})
    assert refusal(simulator, "getMe") == (500, "Internal Server Error")
