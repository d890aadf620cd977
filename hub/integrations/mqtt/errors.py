"""Describe what a broker responds, in plain words."""

from typing import Any

from hub.integrations.broker import NOT_CONNECTED, ConnectFailed, Rejection, WrongSetting

UNCONFIRMED = Rejection("The broker did not confirm the event in time.")
TOO_LARGE = Rejection("The event is larger than the broker allows.", final=True)
CERTIFICATE = (
    "The certificate of the broker was not accepted. It is for another name, has expired, or is"
    " signed by an unknown authority. HUB_CA_FILE can name the certificate of your own authority."
)
NO_TLS = "The broker does not use TLS at this port."
CLOSED = "The broker closed the connection. The port or the encryption may be wrong."
NOT_SIGNED_IN = "The broker did not accept the user and the password."
# reasons of MQTT 5; brokers such as Mosquitto respond to a wrong password with “Not authorized”
SIGN_IN_REASONS = {"Bad user name or password", "Bad authentication method", "Not authorized"}
REASONS = {
    "Not authorized": "The user may not publish to this topic.",
    "Quota exceeded": "The broker accepts no more events from this user now.",
    "Unsupported protocol version": "The broker does not speak MQTT 5.",
}
FINAL = {"Packet too large", "Topic name invalid", "Payload format invalid"}


def refusal_to_connect(reason: Any, *, is_closed: bool) -> ConnectFailed:
    """Return the error for the response to a connection. `reason` is None without one."""
    if str(reason) in SIGN_IN_REASONS:
        return WrongSetting(NOT_SIGNED_IN, "user")
    if is_closed:
        return WrongSetting(CLOSED, "encryption")
    return ConnectFailed(NOT_CONNECTED if reason is None else describe(reason))


def rejection_of(reason: Any) -> Rejection | None:
    """Return the rejection of an event by the response to it. `reason` is None without one."""
    if reason is None:
        return UNCONFIRMED
    return Rejection(describe(reason), str(reason) in FINAL) if reason.is_failure else None


def describe(reason: Any) -> str:
    """Return a reason as a sentence."""
    return REASONS.get(str(reason), f"The broker responded with “{reason}”.")
