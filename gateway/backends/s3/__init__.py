"""The backend `s3`: buckets of AWS and of every store that speaks its protocol."""

from gateway.backends.s3.backend import S3Backend

__all__ = ["S3Backend"]
