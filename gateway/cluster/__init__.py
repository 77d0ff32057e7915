"""Membership, ownership and transport between nodes."""
