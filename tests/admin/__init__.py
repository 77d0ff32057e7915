"""The admin API over its parts, without a socket."""
