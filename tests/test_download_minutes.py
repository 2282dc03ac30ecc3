"""download --minutes: as many images as will probably fit into the time."""

import numpy as np
import pytest
from helpers_batch import BatchProject
from helpers_programs import done, run
from helpers_tables import effort_rows, labels

from utils.batch.timing import Times
from utils.effort.expecting import Expected, expected
from utils.effort.seconds import Seconds
from utils.labels import tables

# in 1.jpg to 4.jpg nothing is found, in 5.jpg to 8.jpg two birds, one of them under 0.5
POOL = "\n".join(
    [f"{number}.jpg NULL 0 0 0 0 0 0" for number in range(1, 5)]
    + [
        f"{number}.jpg bird 0.1 0.5 0.1 0.5 0.9 0.2\n{number}.jpg bird 0.6 0.9 0.1 0.5 0.2 0.2"
        for number in range(5, 9)
    ]
)


def test_as_many_images_are_handed_out_as_fit_into_the_minutes(store, tmp_path):
    project = BatchProject(store, tmp_path, POOL, prelabel_confidence=0.5)
    # nothing is known yet: 5 + 7 seconds in an empty image, 5 + 4 where one box is shown
    output = project.run("download", "--minutes", 1)
    assert "5 images will probably take 1 of 1 minutes" in output
    assert project.batch["wanted"] == 5 and len(project.names("tagging")) == 5
    assert "were asked for" not in output
    project.save({}, visited=[])
    assert "are not uploaded" in project.run("download", "--minutes", 1, code=2)
    project.run("upload", "--all")
    assert "3 images will probably take" in project.run("download", "--minutes", 600)


def test_an_interrupted_download_by_time_goes_on_as_it_was(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, POOL)
    project.run("download", "--minutes", 1)
    wanted = project.batch["wanted"]
    for picture in (project.place / "Images").iterdir():
        picture.unlink()
    project.run("download", "--minutes", 30, "--again")
    assert project.batch["wanted"] == wanted == len(list((project.place / "Images").iterdir()))


def test_labelled_images_to_look_at_again_are_counted_too(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, POOL)
    rows = [f"{number}.jpg bird 0.1 0.5 0.1 0.5" for number in range(1, 9)]
    project.commit(tagged=labels("\n".join(rows)), totag=tables.empty("totag"))
    output = project.run("download", "--minutes", 1, "--review-random")
    assert "8 images will probably take 1 of 1 minutes" in output, "7 seconds each"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--minutes", "0"), "minutes from 1 to 1440"),
        (("--minutes", "x"), "minutes from 1 to 1440"),
        (("--minutes", "30", "40"), "40 images or --minutes 30: leave one of them out"),
    ],
)
def test_a_wrong_time_is_one_line(folder_store, tmp_path, words, said):
    project = BatchProject(folder_store, tmp_path, POOL)
    for program, arguments in (
        ("tag/download_vott_json.py", [*words, project.config]),
        ("tag/review.py", [project.config, *reversed(words[2:]), *words[:2]]),
    ):
        finished = run(program, *arguments)
        assert finished.returncode == 2 and said in finished.stderr
        assert len(finished.stderr.strip().splitlines()) == 1
    assert not project.names("tagging")


def test_the_help_says_how_to_ask_for_minutes():
    assert "--minutes 30 ../config.ini" in done("tag/download_vott_json.py", "--help")


# What is expected


def test_what_people_did_so_far_says_what_the_next_images_need():
    shown = [f"{number}.jpg bird 1 1 0 2 1" for number in range(20)]
    bare = [f"{number}.jpg bird 0 0 0 0 3" for number in range(20, 40)]
    effort = effort_rows(*shown, *bare)
    found = expected(effort, tables.empty("tagged"), Seconds())
    # 4 boxes were shown: 2 + 6 + 2 x 2 seconds
    assert found == Expected(bare=5 + 3 * 7, filled=5 + 7, box=12 / 4)
    assert found.seconds(np.array([0, 1, 4])).tolist() == [26, 15, 24]


def test_until_then_labelled_images_say_how_many_boxes_are_to_be_drawn():
    three = labels("a.jpg bird 0 1 0 1\na.jpg bird 0 1 0 1\na.jpg bird 0 1 0 1\nb.jpg NULL")
    empty = tables.empty("effort")
    assert expected(empty, three, Seconds()) == Expected(5 + 1.5 * 7, 5, 4)
    assert expected(empty, three, Seconds(), again=True) == Expected(5, 5, 2)


@pytest.mark.parametrize("budget", [1, 59, 60, 100, 10_000])
def test_the_largest_number_that_fits_is_found(budget):
    names = [f"{number}" for number in range(50)]
    times = Times({name: 7 + number % 5 for number, name in enumerate(names)})
    chosen = times.most_of(lambda count: names[:count], list, budget)
    assert chosen == names[: len(chosen)]
    assert chosen == times.first(names, budget)
