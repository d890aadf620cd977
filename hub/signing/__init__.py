"""Signing requests: events accepted, requests and signers kept, those who have not signed reminded.

    accept      an event, checked and stored with the messages it causes, in one transaction
    events      the shape of an event            requests    requests and signers, whatever the order of events
    reminders   remind now                       defaults    the routes and texts that ship
"""
