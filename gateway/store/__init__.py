"""Blocks on this node's disks: names, versions and bytes, and nothing about mounts or backends."""
