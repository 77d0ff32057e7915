"""Load and measurements: what is run by hand, in CI or overnight to see how fast and how lean a node is."""
