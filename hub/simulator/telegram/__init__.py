"""A stand-in for Telegram: the Bot API, updates posted to a webhook, deep links, and a view of the
chats.

    scripted_faults  chats that fail on purpose   bot        the bot and its webhook's settings
    entities   HTML, as Telegram reads it              checks     what else is checked of a message
    chats      people, groups, and who stopped what    messages   posting and editing
    methods    the Bot API's methods                   api        their routes
    updates    the queue of what happened, posted      people     what people do         view   the
    page and its doors
    service    all of it put together                  errors     how it refuses

Written from Telegram's documentation alone, so that the hub's reading is tried by another hand:
https://core.telegram.org/bots/api
"""
