"""The settings of an endpoint at an MQTT broker."""

from wtforms import IntegerField, SelectField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from hub.integrations.api import ConfigForm, SecretField, TextField


class MqttForm(ConfigForm):
    """The server, the encryption and the sign-in."""

    host = TextField(
        "Server",
        required="Enter the name of the server.",
        pattern=r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?",
        rule="Enter a host name such as mqtt.example.com, without a port.",
        description="Enter the host name, such as `mqtt.example.com`. It must speak MQTT 5.",
        render_kw={"legend": "Broker", "mono": True, "autocomplete": "off"},
    )
    encryption = SelectField(
        "Encryption",
        choices={"tls": "TLS", "none": "None (only for servers in HUB_HTTP_ALLOW)"},
        description="The server’s certificate is always checked.",
        render_kw={"half": True},
    )
    port = IntegerField(
        "Port",
        [InputRequired("Enter the port."), NumberRange(1, 65535, "Enter a number up to 65535.")],
        default=8883,
        description="Usually 8883 with TLS.",
        render_kw={"half": True, "inputmode": "numeric"},
    )
    user = TextField(
        "User",
        description="Leave it blank if the server needs no sign-in.",
        render_kw={"legend": "Sign-in", "half": True, "autocomplete": "off"},
    )
    password = SecretField(
        "Password",
        [Optional(), Length(max=2000, message="Enter at most 2,000 characters.")],
        bound_to=("host", "user"),
        render_kw={"half": True},
    )
