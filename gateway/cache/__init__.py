"""The heart: the bytes of an object from the nearest place."""

from gateway.cache.cache import Cache, Headline
from gateway.cache.freshness import Demand
from gateway.cache.views import View, Want

__all__ = ["Cache", "Demand", "Headline", "View", "Want"]
