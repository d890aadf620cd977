"""A stand-in for Microsoft Teams: a workflow that takes cards over HTTP, and a view of the channel
it posts to.

    scripted_faults   workflows that fail on purpose      workflow   the one that works
    api        the workflow's address                  cards      what a flow makes of a message
    markdown   text of cards as readers see it         view       the page and its doors

Written from Microsoft's documentation alone:
https://support.microsoft.com/office/create-incoming-webhooks-with-workflows-for-microsoft-teams
"""
