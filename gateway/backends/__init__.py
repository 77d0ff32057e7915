"""Where objects really live: one protocol, one implementation per store."""
