"""The cache: what decides in it, and what moves bytes."""
