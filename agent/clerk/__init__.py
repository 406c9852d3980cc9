"""The operator's hand on the store: look at what waits and what was sent, and change it, beside an agent that may be running."""
