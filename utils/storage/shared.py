"""Files that several people of one group write: what one of them makes in a folder in which the
group may write, the others may write too, whatever their umask.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path


def file_mode(top: Path) -> int:
    """The permissions of a new file that the users of the folder `top` write in turn."""
    return 0o664 if _group_of(top) is not None else 0o644


def share(path: Path, top: Path) -> None:
    """Let the group of the folder `top` write `path`, which this user made in it, and the folders
    between them, where the group may write `top`. What somebody else made stays as it is.
    """
    group = _group_of(top)
    if group is None:
        return
    for place in (path, *path.parents):
        if place == top or not place.is_relative_to(top):
            break
        with suppress(OSError):  # it is another user's, or this user is not of the group
            _give(place, group)


def _give(place: Path, group: int) -> None:
    status = place.stat()
    folder = stat.S_ISDIR(status.st_mode)
    wanted = status.st_mode | (0o2070 if folder else 0o060)
    if status.st_gid != group:
        os.chown(place, -1, group)
    elif wanted == status.st_mode:
        return
    place.chmod(stat.S_IMODE(wanted))


def _group_of(folder: Path) -> int | None:
    """The group that may write in a folder; None when only its owner may."""
    if os.name == "nt":
        return None  # rights are inherited from the folder there
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_gid if status.st_mode & stat.S_IWGRP else None
