"""What users import into their own programs. Sees only `s3/` and the standard library."""
