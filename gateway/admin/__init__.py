"""The door for people: admin API, metrics and health."""
