"""The door for people: admin API, metrics and health."""

from gateway.admin.app import create
from gateway.admin.service import AdminService

__all__ = ["AdminService", "create"]
