"""Break things while messages flow, and compare what the provider received with what was accepted.

    __main__          the command: the faults to run
    runner            runs many faults in turn
    scenario          runs one fault from beginning to end
    fault_context     the parts of a run that a fault may touch
    managed_hub       a hub of real processes that are restarted when they end
    prepare           what the hub has at the start
    load              a signing app that posts events and retries requests
    oracle            compares messages at the provider with accepted ones
    proxy             a proxy between the hub and the provider that injects faults
    certificates      certificates of the proxy
    faults            the list of all faults
    process_kills, infrastructure, provider_faults, clocks    what each fault breaks
    report            the line of each fault

The short form is test_chaos.
"""
