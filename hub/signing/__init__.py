"""Signing requests: events accepted, requests and signers kept, those who have not signed reminded.

accept      an event, checked and stored with the messages it causes, in one transaction
events      the shape of an event            requests    requests and signers, whatever the order of
events
reminders   remind now, put off              defaults    the routes and texts that ship
planning    what planning an event needs     team        posts to where a team reads, kept up to
date
cards       what such a post shows           pressing    its buttons, which act once
linking     links by which people let us write to a chat
"""
