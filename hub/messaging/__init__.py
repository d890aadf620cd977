"""Messages: planned, rendered, allowed or refused, handed over, followed until they arrive.

    plan        whom to tell over what; pure        outbox      the rows: add, cancel, resend, stop
    render      what a message says                 delivery    claims what free threads can send, records outcomes
    policy      may this go, now?                   statuses    facts raise a message's status
    contacts    the addresses                       reconcile   unknown outcomes and expired leases
    consent     suppressions                        timeline    what happened to one message
"""
