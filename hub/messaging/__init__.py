"""Messages: planned, rendered, allowed or refused, sent, and tracked until they arrive.

policy     decide whether a message may be sent, and when
state      state that jobs share: the rows of one transaction, due times, clocks
contacts   addresses, chats, consents, opt-outs
compose    plan, render and store messages; cancel and resend them
send       claim due messages, respect limits, call providers, record outcomes
track      statuses, lost callbacks, prices, timelines, lists
inbox      incoming messages, conversations, opt-out keywords
"""
