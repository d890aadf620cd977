"""The settings of a Telegram connection."""

from __future__ import annotations

from wtforms import StringField
from wtforms.validators import InputRequired, Optional, Regexp

from hub.integrations.api import ConfigForm, SecretField
from hub.integrations.telegram.address import validate_team_chat


class TelegramForm(ConfigForm):
    """Settings of a Telegram connection: the bot, and a team's chat."""

    token = SecretField(
        "Bot token",
        [
            InputRequired("Enter the bot’s token."),
            Regexp(
                r"[0-9]{5,16}:[A-Za-z0-9_-]{35}\Z",
                message=(
                    "A token has digits, a colon and 35 more characters. Copy all of"
                    " it from @BotFather."
                ),
            ),
        ],
        description=(
            "Copy it from **@BotFather**. It looks like `123456789:AA…`. Stored"
            " encrypted and never shown again."
        ),
        render_kw={"legend": "Bot"},
    )
    bot_username = StringField(
        "Bot username",
        [
            InputRequired("Enter the bot’s username."),
            Regexp(
                r"(?i)(?=.{5,32}\Z)[a-z][a-z0-9_]*bot\Z",
                message=(
                    "The username of a bot has 5 to 32 letters, digits and _, and ends in bot."
                ),
            ),
        ],
        filters=[lambda text: text.strip().removeprefix("@") if text else text],
        description=(
            "Enter it as **@BotFather** shows it, with or without the `@`. Invitation"
            " links contain it."
        ),
        render_kw={"mono": True},
    )
    team_chat = StringField(
        "Team chat",
        [Optional(), validate_team_chat],
        description=(
            "Enter the ID of a group, which starts with a minus, or the `@name` of a"
            " public channel. Leave empty to message people only."
        ),
        render_kw={"legend": "Team", "optional": "optional", "mono": True},
    )
