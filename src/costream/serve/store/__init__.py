"""Where events, runtime changes and undelivered messages are kept."""
