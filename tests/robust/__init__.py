"""A real node under bad input, kill -9, overload and large transfers."""
