"""Simulate Microsoft Teams: a workflow that accepts cards over HTTP, and a view of its channel.

    api              the workflow's address          cards     how a flow processes a message
    scripted_faults  workflows that fail             markdown  text of cards as HTML
    workflow         the workflow that succeeds      view      the page and its routes

Written from Microsoft's documentation alone:
https://support.microsoft.com/office/create-incoming-webhooks-with-workflows-for-microsoft-teams
"""
