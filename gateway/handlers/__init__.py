"""What each S3 operation means, in terms of mounts and backends."""
