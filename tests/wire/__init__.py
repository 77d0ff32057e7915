"""Every row of the S3 surface, asked of a real node through a real socket."""
