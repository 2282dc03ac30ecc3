"""The one filter that keeps secrets out of what leaves a program: lines, errors, reports, states.

Masked are the secrets that this run knows, in the forms in which they travel, and whatever looks
like a key, a shared access signature or a password, wherever somebody has put it.
"""

import os
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, unquote

MASK = "***"
_FROM_ENVIRONMENT = (
    "AZURE_STORAGE_KEY",
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_SAS_TOKEN_IMAGES",
    "AZURE_STORAGE_SAS_TOKEN_LABELS",
    "AZURE_CLIENT_SECRET",
    "AZURE_PASSWORD",
)
_SHORTEST = 8  # characters: what is shorter stands in other words too
_END = r"[^\s&;,'\"<>()|]"  # a character of a value that may be secret
_DIGIT = r"(?:[A-Za-z0-9+/]|%2[BbFf])"  # of base64, as it is or in an address
_NAMED = re.compile(  # a value that its name betrays
    rf"(?P<name>\bsig|AccountKey|SharedAccessSignature|SharedAccessKey|\bpassword|\bpasswd|\bpwd|\btoken"
    rf"|client_secret|access_token|api_key)(?P<sign>=|%3D)(?P<value>{_END}+)",
    re.IGNORECASE,
)
# https://user:password@host, and what a path makes of it; a password may have @ and / in it
_OF_USER = re.compile(
    r"(?P<scheme>\w\w:/{1,2})"
    r"(?:[^/?#\s]{0,300}|[^/?#\s@:\[]{0,99}:(?!\d+/)[^\s]{0,300})@(?=[^\s/@])"
)
# user:password@host without a scheme; neither 10.0.0.1:8080/ nor a drive of Windows is a user
_PLAIN_USER = re.compile(
    r"(?<![\w@:])(?!mailto:)[\w.+-]{1,99}:"
    r"(?![/\\]|\d+/)(?=[^\s:@]{0,99}[^\s\d:@])[^\s]{3,300}@(?=[A-Za-z0-9\[])"
)
# a password alone, before a host that no mail goes to: a storage account's, a number, with a port
_HOST = r"[\w-]+(?:\.[\w-]+)*"
_PASSWORD = re.compile(
    r"(?<![\w/\\@*])(?!\*+@)[^\s@/\\=:,;'\"<>()]{1,200}@"
    rf"(?=(?:{_HOST}\.)?blob\.{_HOST}|{_HOST}\.core\.windows|{_HOST}:\d|localhost/"
    r"|\d+\.\d+\.\d+\.\d+\b|\[)",
    re.IGNORECASE,
)
_PADDED = re.compile(rf"(?<![A-Za-z0-9+]){_DIGIT}{{40,}}(?:==?|%3D(?:%3D)?)(?![A-Za-z0-9=])", re.I)
_LONG = re.compile(rf"{_DIGIT}{{64,}}")  # a key that lost its end, if it looks drawn by lot
# a key that was wrapped: its pieces, with the words before them (and behind, where its end is lost)
_GAP = r"(?:\s|\\[nrt]|%20|%0[9AD])+"
_PIECES = re.compile(
    rf"{_DIGIT}+(?:{_GAP}{_DIGIT}+)+(?:(?:{_GAP})?(?P<end>==?|%3D(?:%3D)?))?", re.I
)
_WORD = re.compile(r"[A-Za-z]?[a-z]*[0-9]*|[A-Z]+[0-9]*|[a-z/+]+")  # no piece of a key
_TOKEN = re.compile(r"\beyJ[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?")
_known: set[str] = set()


def remember(secrets: Iterable[str]) -> None:
    """These are the secrets of this run, instead of those that were remembered before."""
    _known.clear()
    for secret in secrets:
        _known.update(_parts(secret))


def masked(text: str) -> str:
    """The text with MASK in the place of every secret. What is masked already stays as it is."""
    for secret in sorted(_secrets(), key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _PIECES.sub(_without_pieces, text)
    if "=" in text or "%3" in text:
        text = _NAMED.sub(lambda found: f"{found['name']}{found['sign']}{MASK}", text)
        text = _PADDED.sub(MASK, text)
    if "@" in text:
        text = _OF_USER.sub(lambda found: f"{found['scheme']}{MASK}@", text)
        text = _PLAIN_USER.sub(f"{MASK}@", text)
        text = _PASSWORD.sub(f"{MASK}@", text)
    text = _TOKEN.sub(MASK, text)
    return _LONG.sub(lambda found: MASK if _by_lot(found[0]) else found[0], text)


def looks_secret(text: str) -> bool:
    """Whether there is something in the text that nobody must see."""
    return masked(text) != text


def masked_in(value: Any) -> Any:
    """A JSON value with every text in it masked, but for the names of members."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {name: masked_in(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [masked_in(each) for each in value]
    return value


def _secrets() -> set[str]:
    found = set(_known)
    for name in _FROM_ENVIRONMENT:
        if value := os.environ.get(name):
            found |= _parts(value)
    return found


def _parts(secret: str) -> set[str]:
    """A secret, and what of it is secret by itself, in each form in which it may be met."""
    values = {secret, *(found["value"] for found in _NAMED.finditer(secret))}
    if re.fullmatch(rf"(?:{_DIGIT}|\s)+=*\s*", secret):  # a key, wrapped
        values |= {"".join(secret.split()), *secret.split()}
    forms = set()
    for value in values:
        plain, in_address = unquote(value), quote(unquote(value), safe="")
        lower = re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), in_address)
        forms |= {value, value.strip(), plain, in_address, lower}
    return {form for form in forms if len(form) >= _SHORTEST}


def _without_pieces(found: re.Match) -> str:
    """Words of which some are a key in pieces, without that; words at its sides stay."""
    text = found[0]
    pieces = re.split(f"({_GAP})", text.removesuffix(found["end"] or ""), flags=re.IGNORECASE)
    first, last = 0, len(pieces) - 1
    while first < last and _WORD.fullmatch(pieces[first]):
        first += 2
    while first < last and not found["end"] and _WORD.fullmatch(pieces[last]):
        last -= 2
    joined = "".join(pieces[first : last + 1 : 2])
    least, share = (24, 0.36) if found["end"] else (56, 0.45)
    if len(joined) < least or not _by_lot(joined, share):
        return text
    return "".join(pieces[:first]) + MASK + "".join(pieces[last + 1 :])


def _by_lot(text: str, share: float = 0.45) -> bool:
    """Whether letters, capitals and digits follow each other as no name or path has them."""
    kinds = [
        "a" if sign.islower() else "A" if sign.isupper() else "0" if sign.isdigit() else "/"
        for sign in text
    ]
    changes = sum(one != other for one, other in zip(kinds, kinds[1:], strict=False))
    return {"a", "A", "0"} <= set(kinds) and changes > share * len(text)
