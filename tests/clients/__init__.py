"""Unmodified clients of users against a real node, every byte read back by a reader that is none of them."""
