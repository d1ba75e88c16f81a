"""What CoStream saves and what that costs, measured."""
