"""An image is its content: under another name it keeps its labels, and one that is gone is said."""

import os

import pytest
from helpers_batch import BatchProject, picture, region
from helpers_tables import labels

from train.cycle.retraining import backlog
from utils.labels import tables
from utils.labels.trained import trained_images

SIZE = 4000  # bytes of every file


def photo(number: int) -> bytes:
    """Pictures of one size in pixels and in bytes, each another one."""
    data = picture(200, 100)
    comment = bytes([number]) * (SIZE - len(data) - 4)
    return data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:]


@pytest.fixture
def project(store, tmp_path, monkeypatch):
    """Six images of one folder, initialized; two are labelled, one of them is in the test set."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    project = BatchProject(store, tmp_path, "")
    for number in range(6):
        project.images.write(f"camera_A/{number}.jpg", photo(number))
    train(project, "initialize")
    tagged = labels("camera_A/0.jpg bird 0.1 0.5 0.2 0.8\ncamera_A/1.jpg seal 0 0.5 0 0.5")
    test, both = labels("camera_A/1.jpg seal 0 0.5 0 0.5"), tables.image_set(tagged)
    project.commit(tagged=tagged, test=test, totag=tables.without(project.table("totag"), both))
    return project


def train(project, program, *options) -> str:
    return super(BatchProject, project).run(f"train/{program}.py", *options)


def move(project, numbers, folder="Wiese"):
    for number in numbers:
        data = project.images.read(f"camera_A/{number}.jpg")[0]
        project.images.write(f"{folder}/{number}.jpg", data)
        project.images.delete(f"camera_A/{number}.jpg")


def named(folder, *numbers):
    return [f"{folder}/{number}.jpg" for number in numbers]


def test_a_folder_that_was_renamed_keeps_labels_test_membership_and_predictions(project):
    project.run("download", 1)
    (out,) = project.names("tagging")
    before = project.table("images")["etag"].tolist()
    predicted = tables.make("predicted", filename=["5.jpg"], folder="camera_A", etag="e", model="m")
    project.commit(predicted=predicted)
    move(project, range(6))
    said = train(project, "initialize")
    assert "6 images have another name or folder now (their content is the same), e.g." in said
    assert "6 images (0 new, 0 failed)" in said and "gone" not in said
    assert project.names("images") == named("Wiese", *range(6))
    assert project.table("images").sort_values("filename")["etag"].tolist() == before
    assert project.boxes() == [
        "Wiese/0.jpg bird 0.1 0.5 0.2 0.8",
        "Wiese/1.jpg seal 0 0.5 0 0.5",
    ]
    assert project.names("test") == ["Wiese/1.jpg"] and project.names("predicted") == [
        "Wiese/5.jpg"
    ]
    assert project.names("tagging") == [out.replace("camera_A", "Wiese")]
    again = project.state().document
    assert "another name" not in train(project, "initialize")
    assert project.state().document == again
    status = super(BatchProject, project).run("tag/status.py", "--check")
    assert "0 rules broken" in status

    # a batch that is out comes back under the present names
    assert project.last(project.run("upload", "--all")).startswith("1 images, 0 boxes")
    assert project.names("tagged") == sorted(
        {*named("Wiese", 0, 1), *[out.replace("camera_A", "Wiese")]}
    )
    assert project.names("tagging") == []


def exchange(project, names):
    """Give each image the name that comes after its own: {before: now}, also in a circle."""
    data = {old: project.images.read(old)[0] for old in names}
    for old in names:
        project.images.delete(old)
    for number, (old, new) in enumerate(names.items()):
        project.images.write(new, data[old])
        if path := project.images.path_of(new):
            os.utime(path, ns=(1, 1_800_000_000_000_000_000 + number))


A = named("camera_A", *range(8))
CYCLE = {  # what a training cycle began with: 0 and 1 are labelled, 1 is in the test set
    "at": "2026-01-01T00:00:00Z",
    "images_labelled": 2,
}


@pytest.mark.parametrize(
    "names",
    [
        {A[0]: A[1], A[1]: A[0]},
        {A[0]: A[2], A[2]: A[0]},
        {A[0]: A[1], A[1]: A[2], A[2]: A[0]},
        {A[1]: A[2], A[2]: A[3], A[3]: A[4], A[4]: A[5], A[5]: A[6]},
        {A[0]: A[3], A[3]: "Wiese/0.jpg", A[1]: "Wiese/1.jpg", A[5]: A[1]},
    ],
    ids=["two labelled", "one labelled", "three", "numbers moved on", "into another folder"],
)
def test_images_that_take_each_others_names_keep_what_is_theirs(project, names):
    tables_now = project.state().document["tables"]
    project.commit(cycle=CYCLE | {name: tables_now[name] for name in ("tagged", "test")})
    predicted = tables.make("predicted", filename=["2.jpg"], folder="camera_A", etag="e", model="m")
    project.commit(predicted=predicted)
    before, etags = project.boxes(), contents_of(project)
    exchange(project, names)
    said = train(project, "initialize")
    assert f"{len(names)} images have another name or folder now" in said
    assert "other pictures" not in said and "gone" not in said

    def now(name):
        return names.get(name, name)

    labelled = sorted(now(name) for name in A[:2])
    assert project.names("tagged") == labelled and project.names("test") == [now(A[1])]
    moved = sorted(f"{now(line.split()[0])} {line.partition(' ')[2]}" for line in before)
    assert project.boxes() == moved
    assert project.names("replaced") == project.names("review") == project.names("gone") == []
    assert project.names("predicted") == [now(A[2])]
    assert contents_of(project) == {now(name): etag for name, etag in etags.items()}
    assert len(project.names("totag")) == 4 and not set(project.names("totag")) & set(labelled)
    for name in ("initialize", "sync_images"):
        again = project.state().document
        train(project, name)
        assert project.state().document == again
    status = super(BatchProject, project).run("tag/status.py", "--check")
    assert "0 rules broken" in status
    assert trained_images(project.labels, project.state()) == {now(A[0])}
    assert backlog(project.labels, project.state()).images == 0


def contents_of(project) -> dict[str, str]:
    frame = project.table("images")
    return dict(zip(tables.blob_names(frame), frame["etag"], strict=True))


def test_swapped_twice_older_labels_are_read_by_present_names(project):
    tables_now = project.state().document["tables"]
    project.commit(cycle=CYCLE | {name: tables_now[name] for name in ("tagged", "test")})
    exchange(project, {A[0]: A[2], A[2]: A[0]})
    train(project, "initialize")
    exchange(project, {A[2]: A[3], A[3]: A[2]})
    train(project, "initialize")
    move(project, [3])
    train(project, "initialize")
    assert trained_images(project.labels, project.state()) == {"Wiese/3.jpg"}
    assert project.names("tagged") == ["Wiese/3.jpg", A[1]]
    status = super(BatchProject, project).run("tag/status.py", "--check")
    assert "0 rules broken" in status


def test_an_image_that_was_overwritten_by_another_takes_nobodys_labels(project):
    data = project.images.read(A[0])[0]
    project.images.write(A[1], data)
    project.images.delete(A[0])
    said = train(project, "initialize")
    assert "another name" not in said and "1 labelled images are other pictures now" in said
    assert project.names("replaced") == [A[1]] and project.names("tagged") == A[:2]


def test_a_batch_that_is_out_while_names_are_swapped_labels_the_pictures_that_it_has(project):
    project.run("download", 2)
    one, other = project.names("tagging")
    project.save(frames={one: [region("bird", 20, 100, 20, 80)], other: []}, visited=[one, other])
    exchange(project, {one: other, other: one})
    train(project, "initialize")
    assert project.names("tagging") == [one, other]
    said = project.run("upload")
    assert "replaced" not in said and "2 images, 1 boxes" in said
    assert f"{other} bird 0.1 0.5 0.2 0.8" in project.boxes()
    assert project.names("replaced") == project.names("conflicts") == []


def test_that_can_be_refused(project):
    move(project, [0, 2])
    said = train(project, "initialize", "--as-new")
    assert "2 images are gone from the image container, 1 of them labelled (camera_A/0" in said
    assert "(2 new, 0 failed)" in said
    assert project.names("tagged") == named("camera_A", 0, 1)
    assert set(named("Wiese", 0, 2)) <= set(project.names("totag"))


def test_images_that_are_gone_are_said_and_not_handed_out(project):
    for number in (0, 2, 3):
        project.images.delete(f"camera_A/{number}.jpg")
    assert "3 images are gone from the image container, 1 of them labelled" in train(
        project, "initialize"
    )
    assert "gone             3   (gone from the image container, 1 of them labelled)" in super(
        BatchProject, project
    ).run("tag/status.py")
    project.run("download", 6)
    assert project.names("tagging") == named("camera_A", 4, 5)

    project.images.write("camera_A/2.jpg", photo(2))
    assert "2 images are gone" in train(project, "initialize")
    assert project.names("gone") == named("camera_A", 0, 3)


def test_copies_of_one_picture_are_told_by_their_file_names(project):
    for name in ("camera_A/7.jpg", "camera_A/8.jpg"):
        project.images.write(name, photo(50))
    train(project, "initialize")
    for name in ("camera_A/7.jpg", "camera_A/8.jpg"):
        project.images.delete(name)
    for name in ("b/7.jpg", "b/9.jpg"):
        project.images.write(name, photo(50))
    said = train(project, "initialize")
    assert "1 images have another name or folder now" in said and "1 images are gone" in said
    assert project.names("renamed") == ["camera_A/7.jpg"]


def test_a_name_that_comes_into_use_again_is_of_its_new_image(project):
    move(project, [0])
    train(project, "initialize")
    assert project.names("renamed") == ["camera_A/0.jpg"]
    project.images.write("camera_A/0.jpg", photo(77))
    assert "(1 new, 0 failed)" in train(project, "initialize")
    assert project.names("renamed") == [] and "Wiese/0.jpg" in project.names("tagged")
