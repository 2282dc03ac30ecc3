"""What to do when the other side's certificate is not trusted: networks that look into traffic
have certificates of their own.
"""

_SIGNS = ("CERTIFICATE_VERIFY_FAILED", "certificate verify failed")


def distrusted(error: BaseException) -> str:
    """A clause for a message when the error comes from a certificate; else ""."""
    if not any(sign in str(error) for sign in _SIGNS):
        return ""
    return (
        "its certificate is not trusted; if your network looks into traffic, set REQUESTS_CA_BUNDLE"
        " to the file with that network's certificates"
    )
