"""What is made once for all processes that run tests."""

import multiprocessing

from helpers_once import made_once


class Base:
    """What pytest gives of its temporary folders."""

    def __init__(self, folder):
        self.folder = folder

    def getbasetemp(self):
        return self.folder


def made_by(folder, process):
    def make(place):
        with (place / "times").open("a") as times:
            times.write("made\n")
        return process

    return made_once(Base(folder), "thing", make)[1]


def test_of_several_processes_one_makes_it_and_all_have_it(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        makers = pool.starmap(made_by, [(tmp_path, number) for number in range(6)])
    assert len(set(makers)) == 1
    assert (tmp_path / "thing" / "times").read_text() == "made\n"


def test_what_was_made_in_part_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    (tmp_path / "thing").mkdir()
    (tmp_path / "thing" / "times").write_text("half")
    made_by(tmp_path, 1)
    assert (tmp_path / "thing" / "times").read_text() == "made\n"
