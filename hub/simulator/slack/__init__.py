"""A stand-in for Slack: incoming webhooks, the Web API of a bot, signed interactivity, and a view
of what arrived.

    scripted_faults   addresses that fail on purpose     workspace   the team, its app, channels and
    people
    blocks     what Slack checks of Block Kit        messages    taking, editing and replacing
    messages
    api        the Web API's methods                 webhooks    incoming webhooks and response
    addresses
    presses    a button is pressed: signed, posted   mrkdwn      text as readers see it        view
    the page and its doors

Written from Slack's documentation alone, so that the hub's reading is tried by another hand:
https://docs.slack.dev
"""
