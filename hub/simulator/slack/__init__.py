"""Simulate Slack: incoming webhooks, the Web API, signed button actions, and a view of the
messages.

    api              methods of the Web API          webhooks   incoming webhooks, response URLs
    messages         check, edit and replace         blocks     checks of Block Kit
    interactions     button actions                  workspace  team, app, channels and people
    scripted_faults  addresses that fail             mrkdwn     text as HTML
    view             the page and its routes

Written from Slack's documentation alone, to test the hub's code independently:
https://docs.slack.dev
"""
