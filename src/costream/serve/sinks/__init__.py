"""Who is told of events."""
