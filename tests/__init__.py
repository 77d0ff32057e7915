"""The tests of Forebay: one folder per part of the package, plus `real` (processes), `servers` and `tidy`."""
