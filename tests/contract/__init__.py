"""What every backend promises, tried on every implementation."""
