"""import_labels.py takes in labels made elsewhere, in one commit, under the rules of an upload."""

import pytest
from helpers_batch import picture
from helpers_programs import done, run
from helpers_state import StateProject
from helpers_tables import labels

from utils.errors import InputError
from utils.labels import tables

NEW = "a/1.jpg gull 0.1 0.4 0.2 0.6\na/1.jpg gull 0.5 0.9 0.2 0.6\nb/1.jpg NULL"


def take_in(*arguments):
    import import_labels

    return import_labels.main([str(argument) for argument in arguments])


@pytest.fixture
def project(folder_store, tmp_path):
    return StateProject(folder_store, tmp_path)


def test_a_file_without_rows_is_one_line(project, tmp_path):
    with pytest.raises(InputError, match="no rows"):
        take_in(project.csv(tmp_path / "x.csv", ""), project.config)


def test_labels_enter_by_one_commit_and_twice_changes_nothing(store, tmp_path):
    project = StateProject(store, tmp_path)
    path = project.csv(tmp_path / "x.csv", NEW)
    before = project.labels.read()
    said = done("tag/import_labels.py", path, project.config).splitlines()[-1]
    assert said.startswith("2 images, 2 boxes, 0 known before, 0 left out → tagged_")
    state = project.labels.read()
    assert state.document["history"] == [*before.document["history"], state.commit]
    assert project.rows()[-3:] == [
        "a/1.jpg gull 0.1 0.4 0.2 0.6",
        "a/1.jpg gull 0.5 0.9 0.2 0.6",
        "b/1.jpg NULL 0 0 0 0",
    ]
    assert "0 images, 0 boxes, 2 known before" in done("tag/import_labels.py", path, project.config)
    assert project.labels.read().document == state.document
    assert "0 rules broken" in done("tag/status.py", project.config, "--check")


def test_images_that_are_labelled_otherwise_stay_unless_they_are_to_be_replaced(
    project, tmp_path, capsys
):
    path = project.csv(tmp_path / "x.csv", "d/3.jpg gull 0 0.5 0 0.5\nd/2.jpg NULL")
    assert take_in(path, project.config) == 0
    assert "d/3.jpg seal 0 1 0 1" in project.rows() and project.names("conflicts") == ["d/3.jpg"]
    assert "1 images are labelled otherwise already (d/3.jpg)" in capsys.readouterr().out
    take_in(path, project.config, "--replace")
    assert "d/3.jpg gull 0 0.5 0 0.5" in project.rows() and project.rows("test") == [
        "d/3.jpg gull 0 0.5 0 0.5"
    ]


def test_what_cannot_be_used_is_named_and_the_rest_goes_through(project, tmp_path, capsys):
    frame = labels(
        "a/1.jpg gull 0 1 0 1\na/2.jpg gull 0.5 0.5 0 1\nb/1.jpg gull 0 1 0 1\nx/9.jpg gull 0 1 0"
        " 1\nc/1.jpg gull 0 1 0 1"
    )
    frame = frame.assign(
        height=[100, 100, 200, 100, 1000],
        width=[200, 200, 100, 200, 2000],  # b/1 on its side, c/1 larger
        xmax=[1, 0.5, 1, 1, 1.004],
    )  # and a hair outside
    (tmp_path / "x.csv").write_bytes(b"\xef\xbb\xbf" + tables.to_csv("tagged", frame, True))
    assert take_in(tmp_path / "x.csv", project.config) == 0
    output = capsys.readouterr().out
    for image, why in (
        ("a/2.jpg", "no area"),
        ("b/1.jpg", "another shape"),
        ("x/9.jpg", "no such image"),
    ):
        assert any(image in line and why in line for line in output.splitlines()), output
    assert output.splitlines()[-1].startswith("2 images, 2 boxes, 0 known before, 3 left out")
    imported = tables.only(project.table("tagged"), {"a/1.jpg", "c/1.jpg"})
    assert imported[["height", "width", "xmax"]].values.tolist() == [[100, 200, 1]] * 2
    assert project.names("tagging") == ["c/2.jpg"]


def test_pixels_are_not_fractions(project, tmp_path):
    with pytest.raises(InputError, match="coordinates go up to 40; expected fractions"):
        take_in(project.csv(tmp_path / "x.csv", "a/1.jpg gull 10 20 30 40"), project.config)


def test_the_last_part_of_a_folder_is_enough_where_one_image_fits(project, tmp_path):
    project.commit(
        images=tables.make(
            "images", filename=["7.jpg"], folder=["deep/er"], height=[100], width=[200]
        )
    )
    take_in(project.csv(tmp_path / "x.csv", "er/7.jpg gull 0 1 0 1"), project.config)
    assert "deep/er/7.jpg gull 0 1 0 1" in project.rows()


def test_renamed_classes_come_in_under_their_present_name(project, tmp_path):
    done("tag/change_classes.py", project.config, "--rename", "bird=tern")
    take_in(project.csv(tmp_path / "x.csv", "a/1.jpg bird 0 1 0 1"), project.config)
    assert "a/1.jpg tern 0 1 0 1" in project.rows()


def test_classes_that_nobody_knows_and_those_that_were_dropped_are_named(project, tmp_path, capsys):
    done("tag/change_classes.py", project.config, "--drop", "seal", "--rename", "bird=tern")
    take_in(
        project.csv(
            tmp_path / "x.csv",
            "a/1.jpg birds 0 1 0 1\na/1.jpg seal 0 1 0 1\na/2.jpg bird 0 1 0 1\nb/1.jpg tern 0"
            " 1 0 1",
        ),
        project.config,
    )
    output = capsys.readouterr().out.splitlines()
    assert "of classes that were dropped, left out: seal (1 boxes)" in output
    assert [
        line
        for line in output
        if line.startswith("not in classes of config.ini") and line.endswith(": birds (1 boxes)")
    ]
    assert output[-1].startswith("3 images, 3 boxes")


def test_the_tables_of_a_container_that_was_copied_without_metadata_are_not_another_tools(
    project, capfd
):
    container = project.labels.container
    project.commit(tagged=project.table("tagged").iloc[1:])
    for blob in container.list():
        container.write(blob.name, container.read(blob.name)[0])  # without what was said of it
    project.labels.read(report_foreign=True)
    project.commit(tagged=project.table("tagged").iloc[1:])
    project.labels.read(report_foreign=True)
    assert "another tool" not in capfd.readouterr().err
    container.write("tagged_99.csv", tables.to_csv("tagged", labels("a/1.jpg gull 0 1 0 1"), True))
    project.labels.read(report_foreign=True)
    assert "tagged_99.csv" in capfd.readouterr().err


def test_another_tools_file_in_the_container_is_reported_until_it_is_taken_in(store, tmp_path):
    project = StateProject(store, tmp_path)
    whole = tables.concat("tagged", project.table("tagged"), labels("a/1.jpg gull 0 1 0 1"))
    project.labels.container.write("tagged_99.csv", tables.to_csv("tagged", whole, True))
    assert (
        "tag/import_labels.py tagged_99.csv CONFIG" in run("tag/status.py", project.config).stderr
    )
    said = done("tag/import_labels.py", "tagged_99.csv", project.config).splitlines()[-1]
    assert said.startswith("1 images, 1 boxes, 3 known before, 0 left out")
    finished = run("tag/status.py", project.config)
    assert "tagged_99.csv" not in finished.stderr + finished.stdout
    assert "a/1.jpg gull 0 1 0 1" in project.rows()


def test_another_tools_reservations_are_taken_over_for_images_that_are_free(project):
    tagging = labels(
        "a/1.jpg bird 0 1 0 1 1 1 carl 2026-01-01T00:00:00Z\n"
        "d/1.jpg bird 0 1 0 1 1 1 carl 2026-01-01T00:00:00Z\na/2.jpg NULL",
        "tagging",
    )
    project.labels.container.write("tagging_99.csv", tables.to_csv("tagging", tagging, True))
    output = done("tag/import_labels.py", "tagging_99.csv", project.config)
    assert "tagging_99.csv: d/1.jpg: not free to be handed out" in output
    held = dict(
        zip(
            tables.blob_names(project.table("tagging")),
            project.table("tagging")["tagger"],
            strict=True,
        )
    )
    assert (
        held["a/1.jpg"] == "carl"
        and held["a/2.jpg"] == "holder of tagging_99.csv"
        and "d/1.jpg" not in held
    )


@pytest.mark.parametrize(
    "name, said",
    [
        ("nowhere.csv", "neither a file here nor one in"),
        ("../x.csv", "neither a file here nor one in"),
    ],
)
def test_a_file_that_is_nowhere_is_one_line(project, name, said):
    finished = run("tag/import_labels.py", name, project.config)
    assert (
        finished.returncode == 2
        and said in finished.stderr
        and len(finished.stderr.splitlines()) == 1
    )


def test_a_csv_of_other_columns_is_one_line(project, tmp_path):
    (tmp_path / "x.csv").write_text("image,label\na,b\n")
    finished = run("tag/import_labels.py", tmp_path / "x.csv", project.config)
    assert finished.returncode == 2 and "the column filename, class, xmin" in finished.stderr


def test_predictions_are_no_labels(project, tmp_path):
    before = project.labels.read().document
    with pytest.raises(
        InputError, match="has the column box_confidence, so its boxes are predictions"
    ):
        take_in(
            project.csv(tmp_path / "x.csv", "a/1.jpg bird 0 1 0 1 0.3 0.3", "totag"), project.config
        )
    with pytest.raises(InputError, match="box_confidence"):
        take_in(before["tables"]["totag"], project.config)
    assert project.labels.read().document == before


def test_another_tools_reservations_are_no_labels_however_their_file_is_named(project, monkeypatch):
    tagging = labels("a/1.jpg bird 0 1 0 1 1 1 carl 2026-01-01T00:00:00Z", "tagging")
    project.labels.container.write("tagging_99.csv", tables.to_csv("tagging", tagging, True))
    project.labels.read(report_foreign=True)
    monkeypatch.chdir(project.labels.container.path_of("tagging_99.csv").parent)
    before = project.rows()
    assert take_in("tagging_99.csv", project.config) == 0
    assert project.rows() == before and "a/1.jpg" in project.names("tagging")
    assert "tagging_99.csv" not in run("tag/status.py", project.config).stderr


HEAD = "filename,class,xmin,xmax,ymin,ymax,height,width,folder\n"


def written(folder, *rows, head=HEAD):
    (folder / "x.csv").write_text(head + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return folder / "x.csv"


def test_one_bad_row_stops_all_until_it_is_said_to_leave_its_image_out(project, tmp_path, capsys):
    path = written(
        tmp_path,
        "1.jpg,gull,0.1,0.5,0.2,0.6,100,200,a",
        "2.jpg,gull,1,50,0.2,0.6,100,200,a",
        "2.jpg,gull,0.1,0.5,0.2,0.6,100,200,a",
        ",,,,,,,,",
        "1.jpg,NULL,,,,,100,200,b",
    )
    before = project.rows()
    with pytest.raises(InputError) as caught:
        take_in(path, project.config)
    assert str(caught.value) == (
        f"{path}: row 3 (a/2.jpg): xmax is 50; expected fractions of the image, 0 to 1 (pixels"
        " divided by width and height); correct it, or leave out the images of such rows with"
        " --skip-bad-rows"
    )
    assert project.rows() == before
    assert take_in(path, project.config, "--skip-bad-rows") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"{path}: row 3 (a/2.jpg): xmax is 50") and said[0].endswith(
        "its image is left out"
    )
    assert said[-1].startswith("2 images, 1 boxes, 0 known before, 1 left out")
    assert project.rows()[-2:] == ["a/1.jpg gull 0.1 0.5 0.2 0.6", "b/1.jpg NULL 0 0 0 0"]


def test_nothing_but_bad_rows_is_one_line(project, tmp_path):
    path = written(tmp_path, "1.jpg,gull,a,0.5,0.2,0.6,100,200,a")
    with pytest.raises(InputError, match="there are no rows in it that can be read"):
        take_in(path, project.config, "--skip-bad-rows")


@pytest.mark.parametrize(
    "filename, folder",
    [
        ("a\\1.jpg", ""),
        ("1.jpg", "a\\"),
        (".\\a\\1.jpg", ""),
        ("a/1.jpg", ""),
        ("D:\\photos\\a\\1.jpg", ""),
        ("/home/anna/photos/a/1.jpg", ""),
    ],
)
def test_names_of_images_may_be_paths_of_another_machine(project, tmp_path, filename, folder):
    path = written(tmp_path, f"{filename},gull,0.1,0.5,0.2,0.6,100,200,{folder}")
    take_in(path, project.config)
    assert "a/1.jpg gull 0.1 0.5 0.2 0.6" in project.rows()


def test_a_header_of_a_spreadsheet_is_read(project, tmp_path):
    head = "Filename, Class, Xmin, Xmax, Ymin, Ymax, Height, Width, Folder\n"
    take_in(written(tmp_path, "1.jpg,gull,0.1,0.5,0.2,0.6,100,200,a", head=head), project.config)
    assert "a/1.jpg gull 0.1 0.5 0.2 0.6" in project.rows()


def test_rows_that_cannot_be_meant_are_refused_by_row(project, tmp_path, capsys):
    path = written(
        tmp_path,
        "1.jpg,gull,0.5,0.1,0.2,0.6,100,200,a",
        "2.jpg,gull,0.1,0.5,0.6,0.2,100,200,a",
        "1.jpg,gull,1.2,1.4,0.2,0.6,100,200,b",
        "1.jpg,gull,-0.4,-0.1,0.2,0.6,100,200,c",
        "2.jpg,gull,0.1,0.5,0.2,0.6,100,200,c",
        "2.jpg,gull,0.1,0.5,1,1.2,100,200,c",
    )
    before = project.rows()
    assert take_in(path, project.config) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[:-1] == [
        f"{path}: a/1.jpg: row 2: xmin is beyond xmax; left out",
        f"{path}: a/2.jpg: row 3: ymin is beyond ymax; left out",
        f"{path}: b/1.jpg: row 4: a box lies outside the picture; left out",
        f"{path}: c/1.jpg: row 5: a box lies outside the picture; left out",
        f"{path}: c/2.jpg: row 7: a box lies outside the picture; left out",
    ]
    assert project.rows() == before


def test_images_that_are_found_by_their_file_name_alone_are_said(project, tmp_path, capsys):
    head = "filename,class,xmin,xmax,ymin,ymax,height,width\n"
    project.commit(
        images=tables.concat(
            "images",
            project.table("images"),
            tables.make(
                "images", filename=["7.jpg"], folder=["deep/er"], height=[100], width=[200]
            ),
        )
    )
    rows = ("7.jpg,gull,0.1,0.5,0.2,0.6,100,200", "1.jpg,gull,0.1,0.5,0.2,0.6,100,200")
    take_in(written(tmp_path, *rows, head=head), project.config)
    said = capsys.readouterr().out
    assert (
        "1 images were found by their file name alone, as the file has no column folder (7.jpg is"
        " taken for deep/er/7.jpg)"
    ) in said
    assert "1.jpg: several images have that file name, such as a/1.jpg and b/1.jpg" in said
    assert project.names("tagged") == ["d/1.jpg", "d/2.jpg", "d/3.jpg", "deep/er/7.jpg"]


def test_labels_for_images_that_are_out_to_somebody_else_name_them(project, tmp_path, capsys):
    path = project.csv(tmp_path / "x.csv", "c/1.jpg gull 0 1 0 1\nc/2.jpg gull 0 1 0 1")
    take_in(path, project.config)
    said = capsys.readouterr().out
    assert "1 images are out to bob and labelled now (c/2.jpg): what bob uploads otherwise" in said
    assert "out to anna" not in said


TURNS = {  # where a box at the left upper corner of the stored picture is in the upright one
    1: "0 0.25 0 0.5",
    2: "0.75 1 0 0.5",
    3: "0.75 1 0.5 1",
    4: "0 0.25 0.5 1",
    5: "0 0.5 0 0.25",
    6: "0.5 1 0 0.25",
    7: "0.5 1 0.75 1",
    8: "0 0.5 0.75 1",
}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_drawn_in_the_stored_picture_are_turned_with_it_and_asked_about_where_nothing_tells(
    project, tmp_path, orientation
):
    container = project.images
    container.write("a/1.jpg", picture(orientation=orientation))  # 200 x 100 as it is stored
    sideways = orientation > 4
    height, width = (200, 100) if sideways else (100, 200)
    project.commit(
        images=tables.concat(
            "images",
            tables.without(project.table("images"), {"a/1.jpg"}),
            tables.make("images", filename=["1.jpg"], folder=["a"], height=[height], width=[width]),
        )
    )
    as_stored = written(tmp_path, "1.jpg,gull,0,0.25,0,0.5,100,200,a")
    if orientation in (2, 3, 4):
        with pytest.raises(InputError) as caught:
            take_in(as_stored, project.config)
        assert str(caught.value).startswith("1 images are turned by EXIF, and their size does not")
        assert "--boxes-are upright (most tools show that one) or --boxes-are stored" in str(
            caught.value
        )
        take_in(as_stored, project.config, "--boxes-are", "upright")
        assert "a/1.jpg gull 0 0.25 0 0.5" in project.rows()
        assert take_in(as_stored, project.config) == 0  # known before: there is nothing to ask
    elif sideways:
        assert take_in(as_stored, project.config) == 1  # their size tells that they are not upright
        assert take_in(as_stored, project.config, "--boxes-are", "upright") == 1
    take_in(as_stored, project.config, "--boxes-are", "stored", "--replace")
    assert f"a/1.jpg gull {TURNS[orientation]}" in project.rows()
    row = tables.only(project.table("tagged"), {"a/1.jpg"}).iloc[0]
    assert (row["height"], row["width"]) == (height, width)


def test_the_size_of_a_sideways_picture_tells_that_its_boxes_are_upright(project, tmp_path):
    project.images.write("a/1.jpg", picture(orientation=6))
    project.commit(
        images=tables.concat(
            "images",
            tables.without(project.table("images"), {"a/1.jpg"}),
            tables.make("images", filename=["1.jpg"], folder=["a"], height=[200], width=[100]),
        )
    )
    path = written(tmp_path, "1.jpg,gull,0,0.25,0,0.5,200,100,a", "1.jpg,NULL,,,,,100,200,b")
    assert take_in(path, project.config) == 0
    assert "a/1.jpg gull 0 0.25 0 0.5" in project.rows() and "b/1.jpg" in project.names("tagged")


@pytest.mark.parametrize("in_container", [False, True], ids=["here", "in the container"])
def test_a_file_of_labels_is_one_whatever_it_is_called(project, tmp_path, in_container):
    rows = labels("a/1.jpg gull 0 1 0 1\na/2.jpg NULL")
    data = tables.to_csv("tagged", rows, True)
    if in_container:
        project.labels.container.write("tagging_bob.csv", data)
        given = "tagging_bob.csv"
    else:
        given = tmp_path / "tagging_bob.csv"
        given.write_bytes(data)
    said = done("tag/import_labels.py", given, project.config).splitlines()[-1]
    assert said.startswith("2 images, 1 boxes, 0 known before, 0 left out → tagged_")
    assert "a/1.jpg gull 0 1 0 1" in project.rows()


def test_reservations_are_such_whatever_their_file_is_called(project, tmp_path):
    rows = labels("a/1.jpg bird 0 1 0 1 1 1 carl 2026-01-01T00:00:00Z", "tagging")
    (tmp_path / "labels.csv").write_bytes(tables.to_csv("tagging", rows, True))
    before = project.rows()
    done("tag/import_labels.py", tmp_path / "labels.csv", project.config)
    assert project.rows() == before and "a/1.jpg" in project.names("tagging")
