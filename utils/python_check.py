"""Says in one line what is missing, and the command that mends it, when this Python cannot run the
programs.

Runs before anything else is imported, so every Python from 2.7 on must be able to parse this file.
"""

import os
import re
import signal
import sys

OLDEST = (3, 11)


def leave(*_):
    """Ctrl-C while packages are loaded: nothing was begun yet."""
    sys.stderr.write("%s: interrupted\n" % os.path.basename(sys.argv[0]))
    sys.stderr.flush()
    os._exit(130)


def check(root, requirements):
    """Leave with exit code 1 unless this Python is new enough and has every package named in a
    requirements file (a path below root).
    """
    if _is_program(root) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # until errors.run_program: what is interrupted before that are imports
        signal.signal(signal.SIGINT, leave)
    file = os.path.join(root, *requirements.split("/"))
    if sys.version_info[:2] < OLDEST:
        found = ".".join(str(number) for number in sys.version_info[:3])
        problem = "Python %d.%d or newer is needed, this is %s" % (OLDEST + (found,))
        mend = "python%d.%d -m pip install -r %s" % (OLDEST + (quoted(file, True),))
    else:
        missing = _missing(file)
        if not missing:
            return
        problem = "missing packages: %s" % ", ".join(missing)
        mend = "%s -m pip install -r %s" % (quoted(sys.executable, True), quoted(file, True))
    environment = _environment(root)
    if environment and environment != os.path.abspath(sys.executable):
        mend = "%s %s" % (quoted(environment, True), " ".join(map(quoted, sys.argv)))
    sys.stderr.write("%s: %s; run: %s\n" % (os.path.basename(sys.argv[0]), problem, mend))
    sys.exit(1)


def quoted(word, always=False, windows=os.name == "nt"):
    """A word of a command as a person may paste it: it arrives as it is, and nothing in it runs.

    `always`: in quotes also where none are needed. On Windows a path is in quotes, for Git Bash
    would drop its backslashes; each shell has signs of its own there, so PLACEHOLDER stands for a
    word with any.
    """
    if re.match(r"[\w./+:@,-]+\Z", word, re.UNICODE):
        return '"%s"' % word if always else word
    if re.match(r"[\w ./+:@,=~()\\-]+\Z" if windows else r"[\w ./+:@,=~-]+\Z", word, re.UNICODE):
        return '"%s"' % word
    if windows:
        return "PLACEHOLDER"
    if re.search(r"[^\w -~]", word, re.UNICODE):  # spelled out as bash and zsh read it
        return "$'%s'" % "".join(map(_spelled, bytearray(os.fsencode(word))))
    return "'%s'" % word.replace("'", "'\"'\"'")


def _spelled(byte):
    return chr(byte) if byte < 128 and chr(byte).isalnum() else "\\x%02x" % byte


def _environment(root):
    """The Python of the repository's own environment, or None."""
    for parts in (("bin", "python"), ("Scripts", "python.exe")):
        path = os.path.join(root, ".venv", *parts)
        if os.path.exists(path):
            return path
    return None


def _missing(file):
    """The names in a requirements file, and in those it includes, that are not installed."""
    installed = _installed()
    return [name for name in _names(file) if _plain(name) not in installed and not _found(name)]


def _names(file):
    names = []
    with open(file) as lines:
        for line in lines:
            line = line.split("#")[0].strip()
            if line.startswith("-r "):
                names += _names(os.path.join(os.path.dirname(file), line[3:].strip()))
            elif line:
                names.append(line.split("==")[0].split("[")[0].strip())
    return names


def _installed():
    """The distributions that the folders on sys.path name; a look at each with importlib.metadata
    would take a third of the time in which a program says what is wrong with its command line.
    """
    found = set()
    for folder in sys.path:
        try:
            entries = os.listdir(folder)
        except OSError:
            continue
        ends = (".dist-info", ".egg-info")
        found.update(_plain(entry.split("-")[0]) for entry in entries if entry.endswith(ends))
    return found


def _plain(name):
    """The name of a distribution as it is compared."""
    return name.lower().replace("-", "_").replace(".", "_")


def _found(name):
    """Is it installed all the same, in a way that folders do not show?"""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _is_program(root):
    """Was this process started as one of the programs? Not to be asked by a child that
    multiprocessing starts: it has work to save.
    """
    if "multiprocessing.process" in sys.modules:
        return False
    folder = os.path.dirname(os.path.abspath(sys.argv[0]))
    return folder in [os.path.join(root, name) for name in ("tag", "train")]
