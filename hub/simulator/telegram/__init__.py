"""Simulate Telegram: the Bot API, updates posted to a webhook, deep links, and a view of the chats.

    api              routes of the Bot API           methods   its methods
    bot              the bot and its webhook         chats     people, groups and their state
    messages         posting and editing             checks    length, buttons and addresses
    entities         HTML as Telegram reads it       markdown  Markdown as Telegram reads it
    updates          queue of updates, posted        people    actions of people
    scripted_faults  chats and tokens that fail      errors    error responses
    service          all parts together              view      the page and its routes

Written from Telegram's documentation alone, to test the hub's code independently:
https://core.telegram.org/bots/api
"""
