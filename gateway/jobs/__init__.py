"""Work nobody waits for: loads, sweeps, periodic sync."""
