"""The pure parts of the backends, and what only one of them does."""
