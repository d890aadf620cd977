"""Chaos: things are broken while messages flow, and what the provider received is compared with
what was accepted.

    __main__   the command: which faults, and how long             runner     many faults, in turn
    scenario   one fault from beginning to end                     setting    what a fault may lay
    hands on
    hubs       a hub of real processes, kept running as a service manager would; prepare, what it
    begins with
    load       a signing app that posts, and repeats what was not answered
    oracle     what the provider received against what was accepted
    proxy      stands between the hub and the provider, and misbehaves; certificates, for what
    speaks TLS
    faults     all faults; deaths, machinery, providers, clocks say what each one breaks
    report     one line for each fault

The short form is test_chaos.
"""
