"""The command `forebay`: starts nodes and talks to their admin API."""
