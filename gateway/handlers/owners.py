"""The owner that S3 shows for a user of ours."""

from hashlib import sha256

from gateway.s3.documents import Owner


def owner_of(user: str) -> Owner:
    """`ID` is the hex SHA-256 of the user's name, `DisplayName` the name."""
    return Owner(sha256(user.encode()).hexdigest(), user)
