"""The inbox: received messages, opt-outs and conversations."""
