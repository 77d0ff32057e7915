"""Retries, limits and a breaker around any store."""

from gateway.backends.steady.course import Terms
from gateway.backends.steady.endpoint import Endpoint
from gateway.backends.steady.meter import Meter
from gateway.backends.steady.rate import Rate
from gateway.backends.steady.steady import Steady

__all__ = ["Endpoint", "Meter", "Rate", "Steady", "Terms"]
