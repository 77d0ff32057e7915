"""`forebay check-config`: every problem of a configuration with its line, then what should be looked at."""

from gateway.cli.options import Options
from gateway.config import load, warnings_of


def check_config(options: Options) -> int:
    """0 for a configuration that a node would start with; raises `ConfigInvalid` for any other."""
    config = load(options.config, options.environ, options.sets)
    for warning in warnings_of(config):
        print(f"warning: {warning}")
    print(f"{options.config}: good")
    return 0
