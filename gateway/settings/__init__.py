"""What people changed at run time: rows, merging, the file."""
