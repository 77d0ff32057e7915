"""Forebay: an S3-compatible caching gateway in front of HDFS, S3, GCS, Azure and directories."""

__version__ = "0.1.0"
