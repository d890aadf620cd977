"""Messages: planned, rendered, allowed or refused, sent, and tracked until they arrive.

plan        whom to tell over what; pure        outbox      the rows: add, cancel, resend, stop
render      what a message says                 ledger      the rows of one transaction, read and
written together
policy      may this go, now?                   delivery    claims what free threads can send
contacts    the addresses                       drain       one run of a worker: threads that call,
one that writes
consent     suppressions                        outcomes    what calls came to
direct      one message without an event        statuses    facts raise a message's status
content     what a message holds                threads     posts about one subject, in their order
timeline    what happened to one message        reconcile   expired leases and unknown outcomes
overdue     finds messages whose time has come  polling     lost callbacks: the provider is asked
listing     lists and searches, by indexes alone
"""
