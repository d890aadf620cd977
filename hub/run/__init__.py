"""The processes of a hub: starting, supervising and stopping them."""
