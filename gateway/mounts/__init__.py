"""Bucket to mount: which backend, which prefix, which policies."""
