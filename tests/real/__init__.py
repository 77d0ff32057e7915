"""Real processes for tests: a Forebay node and the servers it stands in front of."""
