"""The doors for data: the S3 port and, in a cluster, the peer port."""
