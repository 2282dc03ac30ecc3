"""Moments as the label container writes them: UTC, ISO 8601."""

from datetime import UTC, datetime


def utc_text(at: datetime) -> str:
    """A moment as text: UTC, whole seconds, ending in Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str | None) -> datetime | None:
    """The moment that a text names, UTC when it names no zone; None for what is no time."""
    try:
        at = datetime.fromisoformat(text or "")
    except (TypeError, ValueError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
