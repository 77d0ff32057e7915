"""The S3 wire, pure: bytes in, values out. No await, no clock, no dice, no files."""
