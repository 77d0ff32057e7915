"""Hostile bytes into everything that reads what clients send."""
