"""Scores become incidents, and incidents events: one each, however long it lasts."""
