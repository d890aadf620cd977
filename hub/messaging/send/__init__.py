"""Send messages: claim what is due, respect limits, call providers, record outcomes."""
