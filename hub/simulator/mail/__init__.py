"""A mail server that keeps every email, and a page with the mailboxes.

server           SMTP              scripted_faults  addresses that fail on purpose
mailbox          stored emails     returns          reports and replies that come back
certificate      STARTTLS          view             the page, and the same data as JSON
"""
