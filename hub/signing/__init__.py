"""Signing requests: accept their events, store requests and signers, remind signers.

accept              store an event and the messages that it causes, in one transaction
events              the schema of an event as signing apps post it
source_events       the events of signing apps that integrations report
identifiers         the IDs that signing apps give to requests, signers and events
requests            apply an event to a request and its signers
people              the signers, observers and sender of a request, as events report them
shared_address_notes signers with the same address, as notes on pages
team_language       the language of posts to the team of a source
turns               whose turn it is to sign
readdressing        the messages that follow to a corrected address
prolonged_requests  the messages that follow a later expiry
reported_consents   the consents that events report
merged_notices      notices that would tell a person the same thing twice
late_notices        notices that change because an event arrived late
stored_events       store events and the steps that they skipped
signing_batch       a request and its people, as one transaction reads and changes them
message_texts       the texts and drafts of an event's messages
available_values    the values that a text can show
stored_texts        every text with its published version and its draft
text_export         texts as PO files for translators
text_import         texts from PO files: first planned, then saved
text_warnings       warnings about an imported text
dedup_keys          the deduplication keys of notifications
preview             what an event would do, without storing it
step_facts          the texts, rules, windows and prices of steps, for previews
restrictions        connections that need a consent or a window which a person does not have
planning            the routes, connections and signers that planning an event needs
routes              read, check and save routes
defaults            the routes and texts that Signpost installs
ladders             let the next step of a route follow a message that reaches nobody
overdue_fallbacks   next steps that were due for too long
next_step           the message of that step
unreached           report that no step reached a person
sender_notes        the email to the sender about an unreached signer
skipped_signers     report signers for whom every step was skipped
reminders           remind signers, and snooze reminders
automatic_reminders remind the signers whose automatic reminder is due
reminder_schedule   when a signer is reminded next, as a pure function
reminder_clock      times of reminders that a wrong clock has stored
reminder_settings   the schedule of a route, a source and a request
reminder_rechecks   signers who are checked again after a change of settings
reminder_times      when each signer is checked for a reminder
scheduled_events    events whose messages are planned later
scheduled_invitations signers who wait for a scheduled invitation
plan_scheduled      plan scheduled events when they are due
team_posts          posts to a team, and their updates
team_subscriptions  the events that a connection posts to its team
cards               the cards and buttons of posts
button_actions      the actions of those buttons
chat_invitations    links by which people and groups open a chat
personal_data       the download of a person's data
contact_erasure     the erasure of a person
"""
