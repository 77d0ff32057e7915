"""The settings table: rows and merging, the file, the node's identity."""
