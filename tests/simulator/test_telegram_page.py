"""The page shows the chats to their members, with working controls."""

import re

import pytest

from tests.conftest import tags_on_one_line
from tests.simulator.test_telegram_api import (
    bot_token,
    call_ok,
    inline_keyboard,
    start_bot,
    team_chat,
)


def telegram_page(simulator, query=""):
    return tags_on_one_line(simulator.call("GET", f"/simulator/telegram{query}").text)


def test_message_is_displayed_as_in_telegram(simulator):
    text = '<b>NDA &amp; &lt;b&gt;</b>\n<a href="https://sign.example/a?b=1&amp;c=2">here</a> or '
    text += "https://sign.example/d?e=1&amp;f=2. <code>x</code>"
    markup = inline_keyboard(
        {"text": "Open", "url": "https://sign.example/a"},
        {"text": "Remind <Tom>", "callback_data": 'r:"1"'},
    )
    call_ok(
        simulator,
        "sendMessage",
        chat_id=team_chat(simulator),
        text=text,
        parse_mode="HTML",
        reply_markup=markup,
    )
    page = telegram_page(simulator, f"?chat={team_chat(simulator)}")
    assert (
        '<strong>NDA &amp; &lt;b&gt;</strong>\n<a href="https://sign.example/a?b=1&amp;c=2"'
        ' rel="noreferrer">here</a> or ' in page
    )
    assert (
        '<a href="https://sign.example/d?e=1&amp;f=2"'
        ' rel="noreferrer">https://sign.example/d?e=1&amp;f=2</a>. <code>x</code>' in page
    )
    assert re.search(r'<a class="btn[^>]*href="https://sign.example/a"[^>]*>.*?Open</a>', page)
    assert re.search(
        r'formaction="/simulator/telegram/press\?[^"]*button=r:%221%22">Remind'
        r" &lt;Tom&gt;</button>",
        page,
    )


def test_unsafe_links_are_not_displayed_as_links(simulator):
    call_ok(
        simulator,
        "sendMessage",
        chat_id=team_chat(simulator),
        text='<a href="javascript:alert(1)">here</a>',
        parse_mode="HTML",
    )
    assert "javascript:" not in telegram_page(simulator, f"?chat={team_chat(simulator)}")


def test_forms_write_press_stop_block_and_unblock(simulator):
    chat = start_bot(simulator, "Ona Berg")
    call_ok(
        simulator,
        "sendMessage",
        chat_id=chat,
        text="NDA",
        reply_markup=inline_keyboard({"text": "Remind", "callback_data": "r:1"}),
    )
    for label in ("Remind", "/stop", "Block the bot", "Unblock the bot"):
        [path] = re.findall(
            rf'formaction="([^"]+)"[^>]*>{label}</button>',
            telegram_page(simulator, f"?chat={chat}"),
        )
        name = re.search(
            rf'name="blocked" value="(\d)">{label}<', telegram_page(simulator, f"?chat={chat}")
        )
        form = {"chat": str(chat), "text": "", **({"blocked": name[1]} if name else {})}
        assert (
            simulator.call("POST", path.replace("&amp;", "&"), form, Origin=simulator.url).status
            == 303
        )
    page = telegram_page(simulator, f"?chat={chat}")
    assert "Ona Berg chose Remind, no response yet" in page
    assert re.search(r'sp-bubble-mine">/stop<', page)
    assert "Block the bot" in page


def test_person_can_start_the_bot_from_the_page(restartable_simulator):
    link = r'href="/simulator/telegram\?chat=(\d+)"[^>]*>(.*?)</a>'
    links = re.findall(link, telegram_page(restartable_simulator), re.DOTALL)
    [chat] = [number for number, text in links if "Priya Nair" in text]
    page = telegram_page(restartable_simulator, f"?chat={chat}")
    assert "Has not started the bot" in page
    assert 'formaction="/simulator/telegram/start">Start</button>' in page
    restartable_simulator.call(
        "POST",
        "/simulator/telegram/start",
        {"who": "Priya Nair", "chat": chat},
        Origin=restartable_simulator.url,
    )
    assert 'sp-bubble-mine">/start<' in telegram_page(restartable_simulator, f"?chat={chat}")


@pytest.mark.parametrize(
    "path",
    [
        *(
            f"simulator/telegram/{name}"
            for name in ("start", "write", "block", "press", "upgrade", "empty")
        ),
        "SignpostDemoBot",
    ],
)
def test_request_of_another_site_is_refused(simulator, path):
    assert (
        simulator.call(
            "POST", f"/{path}", {"who": "Tom Okafor"}, Origin="http://evil.example"
        ).status
        == 403
    )


def test_page_explains_how_to_connect_and_lists_scripted_faults(simulator):
    page = telegram_page(simulator)
    for value in (
        bot_token(simulator),
        "SignpostDemoBot",
        str(team_chat(simulator)),
        "<code>99940301</code>",
        "<code>-99940011</code>",
    ):
        assert value in page
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", page)
    assert 'href="/simulator/telegram" aria-current="page"' in page
