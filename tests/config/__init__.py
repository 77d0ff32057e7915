"""The configuration: fields, loading, policies, checks, the embedded default."""
