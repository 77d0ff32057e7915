"""The ground floor: names, logs, metrics, the memory budget."""
