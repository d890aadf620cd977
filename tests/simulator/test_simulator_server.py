"""The simulator stops when asked to, and keeps its state."""

import socket
import stat
import threading
from contextlib import suppress

import pytest
import requests

FROM = "+15005550006"


def test_restart_keeps_messages(restartable_simulator, wait):
    client = restartable_simulator.client()
    to = restartable_simulator.number()
    message = client.messages.create(to=to, from_=FROM, body="Hello")
    wait(lambda: message.fetch().status == "delivered")
    restartable_simulator.stop()
    restartable_simulator.start()

    assert message.fetch().body == "Hello"
    assert [listed_message.sid for listed_message in client.messages.list(to=to)] == [message.sid]
    assert [callback["sid"] for callback in restartable_simulator.received()] == [message.sid]


def test_message_accepted_before_a_restart_is_delivered_afterwards(restartable_simulator, wait):
    message = restartable_simulator.client().messages.create(
        to=restartable_simulator.number(), from_=FROM, body="Hello"
    )
    restartable_simulator.stop()
    restartable_simulator.start()
    wait(lambda: message.fetch().status == "delivered")


def test_simulator_stops_at_once_despite_hanging_requests_and_callbacks(
    restartable_simulator, wait
):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"

        def create_hanging_message():
            # at the end it may still be answered, in part or not at all
            with suppress(requests.exceptions.RequestException):
                restartable_simulator.client(timeout=20).messages.create(
                    to="+15005550015", from_=FROM, body="Hello", status_callback=url
                )

        thread = threading.Thread(target=create_hanging_message)
        thread.start()
        wait(lambda: restartable_simulator.received())
        with silent.accept()[0]:
            assert restartable_simulator.stop() < 5
        thread.join(5)
    assert restartable_simulator.process.returncode == 0


def test_hanging_request_does_not_delay_others(restartable_simulator, wait):
    def create_hanging_message():
        with pytest.raises(requests.exceptions.RequestException):
            restartable_simulator.client(timeout=1).messages.create(
                to="+15005550015", from_=FROM, body="Hello"
            )

    threads = [threading.Thread(target=create_hanging_message) for _ in range(10)]
    for thread in threads:
        thread.start()
    wait(lambda: len(restartable_simulator.received()) == 10)
    assert (
        restartable_simulator.client()
        .messages.create(to=restartable_simulator.number(), from_=FROM, body="Hello")
        .status
        == "queued"
    )
    for thread in threads:
        thread.join(5)


def test_stored_files_are_private_to_their_owner(restartable_simulator):
    restartable_simulator.client().messages.create(
        to=restartable_simulator.number(), from_=FROM, body="Hello"
    )
    files = [
        path for path in restartable_simulator.folder.iterdir() if path.name.startswith("simulator")
    ]
    assert {"simulator.db", "simulator.json"} <= {path.name for path in files}
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in files)
