"""The heart: the bytes of an object from the nearest place."""
