"""The syntax of config.ini: `key=value` lines as a shell would read them, but only ever read as
data.

Understood are `#` and `;` comments, a BOM, CRLF, blanks round `=`, quotes round a value, `export
key=value`, [section] lines (no meaning), references `$key`, `${key}`, `${key%pattern}`,
`${key%%pattern}`, `${key#pattern}`, `${key##pattern}` to other keys of the file or to environment
variables, and a backslash as an ordinary character, so that Windows paths survive. Commands
(`$(…)`) are never run.
"""

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from utils.errors import InputError

_LINE = re.compile(r"^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)$", re.DOTALL)
_LONGEST = 100_000  # letters of a value
_DEEPEST = 50  # references to references
_REFERENCE = re.compile(
    r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?:(%%|%|##|#)([^}]*))?\}|\$([A-Za-z_][A-Za-z0-9_]*)"
)


@dataclass(frozen=True)
class Entry:
    """One key of the file: its name as written, its text without quotes, whether references in it
    count, and its line number.
    """

    name: str
    text: str
    literal: bool
    line: int


def read_text(path: Path) -> tuple[str, list[str]]:
    """The file's text (UTF-8 with or without BOM, UTF-16 with BOM, else Windows-1252) and warnings.

    Raises InputError when there is no such file or it cannot be read.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"{path}: there is no such config file; copy config.ini, fill it in, and give its path"
        ) from None
    except IsADirectoryError:
        raise InputError(
            f"{path}: this is a folder, expected a config file such as config.ini"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: the config file cannot be read ({error.strerror})") from None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace"), []
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace"), [
            f"{path}: not UTF-8, read as Windows-1252; save it as UTF-8"
        ]


def parse(text: str, path: Path) -> tuple[dict[str, Entry], list[str]]:
    """The entries of a config text by lower-cased key (the last one counts, as in a shell), and
    warnings about lines without meaning.
    """
    entries: dict[str, Entry] = {}
    warnings = []
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        line = line.strip("\ufeff \t\x00")
        if not line or line[0] in "#;" or (line[0] == "[" and line[-1] == "]"):
            continue
        match = _LINE.match(line)
        if not match:
            warnings.append(f"{path}, line {number}: not a key=value line, ignored")
            continue
        name = match[1]
        value, literal = _unquote(match[2].strip())
        if name.lower() in entries:
            warnings.append(f"{path}, line {number}: {name} stands twice, the last one counts")
        entries[name.lower()] = Entry(name, value, literal, number)
    return entries, warnings


def expand(
    key: str,
    entries: Mapping[str, Entry],
    environ: Mapping[str, str],
    within: tuple[str, ...] = (),
    found: dict[str, str] | None = None,
) -> str:
    """The value of a key with its references replaced. Raises LookupError, saying of which name,
    when one has no value, or a value that nobody can mean.

    `found`: the values that are known already, for references to them.
    """
    entry = entries[key]
    found = {} if found is None else found
    if entry.literal:
        return entry.text
    if len(within) > _DEEPEST:
        raise LookupError(f"{key}, through more than {_DEEPEST} others")

    def referred(match: re.Match) -> str:
        name = match[1] or match[4]
        if name.lower() in entries and name.lower() not in (*within, key):
            if name.lower() not in found:
                within_it = (*within, key)
                found[name.lower()] = expand(name.lower(), entries, environ, within_it, found)
            value = found[name.lower()]
        elif name in environ:
            value = environ[name]
        elif match[4]:
            return match[0]  # a lone `$x` that names nothing is text
        else:
            raise LookupError(
                f"{name}, in a circle"
                if name.lower() in entries
                else f"{name}, which is not defined"
            )
        return _cut(value, match[2], match[3]) if match[2] else value

    value = _REFERENCE.sub(referred, entry.text)
    if len(value) > _LONGEST:
        raise LookupError(f"others that make it longer than {_LONGEST} letters")
    return value


def quote(value: str) -> str:
    """The value as it must stand in a config file to be read back unchanged (values with both kinds
    of oddities excepted).
    """
    odd = (
        "$" in value
        or value != value.strip()
        or re.search(r"\s[#]", value)
        or value[:1] in ("'", '"')
    )
    return f"'{value}'" if odd else value


def _unquote(value: str) -> tuple[str, bool]:
    """Text without its quotes or trailing comment, and whether it stood in single quotes (then `$`
    is text).
    """
    quoted = re.match(r"""^(["'])(.*?)\1\s*(#.*)?$""", value, re.DOTALL)
    if quoted and not re.search(rf"{quoted[1]}\s*,\s*{quoted[1]}", quoted[2]):  # not "a","b"
        return quoted[2].strip(), quoted[1] == "'"
    return re.sub(r"(^|\s+)#.*$", "", value, flags=re.DOTALL), False


def _cut(value: str, operator: str, pattern: str) -> str:
    """`${value%pattern}` and its three relatives: the shortest (longest when doubled) end or
    beginning that matches, removed.
    """
    ends = range(len(value) + 1)
    if operator.startswith("%"):
        starts = ends if operator == "%%" else reversed(ends)
        return next(
            (value[:at] for at in starts if fnmatch.fnmatchcase(value[at:], pattern)), value
        )
    stops = reversed(ends) if operator == "##" else ends
    return next((value[at:] for at in stops if fnmatch.fnmatchcase(value[:at], pattern)), value)
