"""Several Linux users of one group share a folder store: what one of them makes, the others may
replace, whatever their umask. Each one is a process of another user id.
"""

import os
import shutil
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers_state import store_in
from helpers_tables import labels

from utils.errors import InputError, OutsideError
from utils.labels.state import Change
from utils.storage.folder import FolderContainer

ANNA, BEN, GROUP = 54_001, 54_002, 54_003


def as_user(user: int, work: Callable[[], object], umask: int = 0o022, member: bool = True) -> str:
    """Do this in a process of that user; what went wrong, "" if nothing did."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        said = ""
        try:
            os.umask(umask)
            os.setgroups([GROUP] if member else [])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            work()
        except (InputError, OutsideError) as error:
            said = f"{type(error).__name__}: {error}"
        except BaseException:
            said = traceback.format_exc()
        finally:
            os.write(write, said.encode())
            os._exit(0)
    os.close(write)
    with open(read, encoding="utf-8") as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said


@pytest.fixture(params=[0o2775, 0o775], ids=["setgid", "group-writable"])
def folder(request):
    """A folder that belongs to root and in which the group may write, where anybody gets to."""
    if not hasattr(os, "setresuid") or os.geteuid() != 0:
        pytest.skip("becoming another user needs root, on Linux")
    top = Path(tempfile.mkdtemp())
    top.chmod(0o755)
    made = top / "it's ours"
    made.mkdir()
    os.chown(made, 0, GROUP)
    made.chmod(request.param)
    yield made
    shutil.rmtree(top)


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_each_user_replaces_what_the_other_one_wrote(folder, umask):
    def write(text: bytes):
        container = FolderContainer(folder)
        container.clock_ahead()
        for name in ("label_state.json", "below/a folder/a.csv"):
            container.write(name, text, metadata={"by": text.decode()})
            assert container.read(name)[0] == text

    for user in (ANNA, BEN, ANNA):
        assert as_user(user, lambda user=user: write(str(user).encode()), umask) == ""
    assert as_user(BEN, lambda: FolderContainer(folder).delete("below/a folder/a.csv")) == ""
    for path in folder.rglob("*"):
        assert path.stat().st_gid == GROUP, path
        assert path.stat().st_mode & 0o060 == 0o060, path
        assert path.is_file() or path.stat().st_mode & 0o2070 == 0o2070, path


def test_each_user_commits_on_the_labels_of_the_other_one(folder):
    def commit(user: int):
        table = labels(f"{user}.jpg NULL")
        store = store_in(folder, by=str(user))
        store.commit(lambda state: Change({"tagged": table}), what="test")

    for user in (ANNA, BEN, ANNA):
        assert as_user(user, lambda user=user: commit(user)) == ""


def test_a_store_that_was_begun_before_says_what_to_do_and_is_mended_by_whoever_began_it(folder):
    def write():
        FolderContainer(folder).write("label_state.json", b"{}")

    assert as_user(ANNA, write) == ""
    (folder / ".store" / "lock").touch()
    os.chown(folder / ".store" / "lock", ANNA, ANNA)
    (folder / ".store" / "lock").chmod(0o644)
    os.chown(folder / ".store", ANNA, ANNA)
    (folder / ".store").chmod(0o755)
    before = (folder / "label_state.json").read_bytes()
    said = as_user(BEN, write)
    assert said.startswith("OutsideError: ") and "\n" not in said
    assert "you may not write there" in said
    quoted = str(folder).replace("'", "'\"'\"'")
    assert said.endswith(f"chmod -R g+rwX '{quoted}'")
    assert (folder / "label_state.json").read_bytes() == before
    assert as_user(ANNA, write) == ""
    assert as_user(BEN, write) == ""


def test_who_is_not_of_the_group_gets_one_line_and_changes_nothing(folder):
    assert as_user(ANNA, lambda: FolderContainer(folder).write("a.json", b"{}")) == ""
    said = as_user(BEN, lambda: FolderContainer(folder).write("a.json", b"1"), member=False)
    assert said.startswith("OutsideError: ") and "you may not write there" in said
    assert (folder / "a.json").read_bytes() == b"{}"


def test_a_folder_of_one_user_stays_its_owners(folder):
    folder.chmod(0o755)
    os.chown(folder, ANNA, GROUP)
    assert as_user(ANNA, lambda: FolderContainer(folder).write("a.json", b"{}")) == ""
    assert not [path for path in folder.rglob("*") if path.stat().st_mode & 0o022]
