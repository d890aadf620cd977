"""The inbox: what people send, their opt-outs, and conversations."""
