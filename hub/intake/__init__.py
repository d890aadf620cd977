"""Webhooks of providers: stored as they arrive, then processed.

provider_callbacks  verify webhooks and store each once
process_callbacks   read stored callbacks and apply their events, in batches
call_answers        answer calls with a text to speak
replay              process stored callbacks again
retention, purge    delete texts, callbacks and records after their time
"""
