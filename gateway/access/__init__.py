"""Who may do what: access keys, users and policies."""
