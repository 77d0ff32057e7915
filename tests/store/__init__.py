"""The block store: records, index entries, recovery, faults, and kill -9."""
