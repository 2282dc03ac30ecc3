from hypothesis import given, settings
from hypothesis import strategies as st

from utils.labels import tables
from utils.labels.splits import bursts, draw_test, folds, split_validation
from utils.reserved import NULL


def photos(text: str):
    """An images table from lines `blob time-of-day`, the time absent where unknown."""
    rows = [line.split() for line in text.strip().splitlines()]
    folders, names = (
        zip(*(tables.split_name(row[0]) for row in rows), strict=True) if rows else ((), ())
    )
    taken = [f"2026-05-01T{row[1]}Z" if len(row) > 1 else "" for row in rows]
    return tables.make(
        "images",
        filename=names,
        folder=folders,
        height=[100] * len(rows),
        width=[200] * len(rows),
        taken_at=taken,
    )


def single_photos(count: int):
    return photos("\n".join(f"{number:04}.jpg" for number in range(count)))


def boxes(classes: dict[str, str]):
    """A tagged table: {blob: its classes, separated by spaces; "" for an empty image}."""
    rows = [(blob, name) for blob, names in classes.items() for name in names.split() or [NULL]]
    split = [tables.split_name(blob) for blob, _ in rows]
    return tables.make(
        "tagged",
        filename=[name for _, name in split],
        folder=[folder for folder, _ in split],
        class_=[name for _, name in rows],
        xmin=[0.1] * len(rows),
        xmax=[0.2] * len(rows),
        ymin=[0.1] * len(rows),
        ymax=[0.2] * len(rows),
        height=[100] * len(rows),
        width=[200] * len(rows),
    )


def drawn(tagged, images, share=0.2, trained=(), present=(), seed=0, **options):
    return draw_test(tagged, images, set(trained), share, seed, present=set(present), **options)


def test_no_images_have_no_bursts():
    assert len(bursts(photos(""))) == 0
    assert drawn(boxes({}), photos("")) == set()
    assert split_validation(boxes({}), photos(""), 0.1, 0) == (set(), set())


def test_photographs_of_a_folder_within_a_minute_of_each_other_are_a_burst():
    images = photos(
        "a/3.jpg 10:01:50\na/1.jpg 10:00:00\na/2.jpg 10:00:55\na/4.jpg 10:02:51\nb/1.jpg"
        " 10:00:00\na/5.jpg\na/6.jpg"
    )
    assert bursts(images).to_dict() == {
        "a/1.jpg": "a/1.jpg",
        "a/2.jpg": "a/1.jpg",
        "a/3.jpg": "a/1.jpg",
        "a/4.jpg": "a/4.jpg",
        "b/1.jpg": "b/1.jpg",
        "a/5.jpg": "a/5.jpg",
        "a/6.jpg": "a/6.jpg",
    }


def test_bursts_may_be_folders_or_images():
    images = photos("a/1.jpg 10:00:00\na/2.jpg 10:00:00\nb/1.jpg\ntop.jpg")
    assert list(bursts(images, "folder")) == ["a/", "a/", "b/", "/"]
    assert list(bursts(images, "image")) == ["a/1.jpg", "a/2.jpg", "b/1.jpg", "top.jpg"]


def test_a_time_that_cannot_be_read_is_none():
    images = photos("a.jpg\nb.jpg").assign(taken_at=["nonsense", "2026-02-31T00:00:00Z"])
    assert bursts(images).to_dict() == {"a.jpg": "a.jpg", "b.jpg": "b.jpg"}


def test_the_test_set_has_the_share_of_the_labelled_images():
    images = single_photos(100)
    tagged = boxes({f"{number:04}.jpg": "fox" if number % 3 else "" for number in range(50)})
    assert len(drawn(tagged, images)) == 10
    assert len(drawn(tagged, images, share=0.21)) == 11
    assert drawn(tagged, images, share=0) == set()


def test_the_draw_depends_on_the_seed_and_not_on_the_order_of_rows():
    images = single_photos(50)
    tagged = boxes({f"{number:04}.jpg": "fox" for number in range(50)})
    assert drawn(tagged, images) == drawn(
        tagged[::-1].reset_index(drop=True), images[::-1].reset_index(drop=True)
    )
    assert drawn(tagged, images) != drawn(tagged, images, seed=1)


def test_a_rare_class_is_in_the_test_set_and_in_training():
    images = single_photos(100)
    tagged = boxes(
        {f"{number:04}.jpg": "lynx" if number in (17, 60) else "fox" for number in range(100)}
    )
    for seed in range(10):
        assert len(drawn(tagged, images, seed=seed) & {"0017.jpg", "0060.jpg"}) == 1


def test_the_only_image_of_a_class_is_trained_on():
    images = single_photos(10)
    tagged = boxes({f"{number:04}.jpg": "lynx" if number == 3 else "fox" for number in range(10)})
    for seed in range(10):
        chosen = drawn(tagged, images, seed=seed, share=0.9)
        assert "0003.jpg" not in chosen and len(chosen) == 8


def test_bursts_are_drawn_whole():
    images = photos(
        "\n".join(
            f"{minute:02}-{second}.jpg 10:{minute:02}:{second:02}"
            for minute in range(0, 60, 3)
            for second in range(3)
        )
    )
    tagged = boxes(
        {f"{minute:02}-{second}.jpg": "fox" for minute in range(0, 60, 3) for second in range(3)}
    )
    chosen = drawn(tagged, images)
    assert len(chosen) == 12
    assert all({f"{name[:2]}-{second}.jpg" for second in range(3)} <= chosen for name in chosen)


def test_later_images_of_a_burst_follow_it_into_the_test_set():
    images = photos("a.jpg 10:00:00\nb.jpg 10:00:10\nc.jpg 11:00:00\nd.jpg 12:00:00")
    tagged = boxes(dict.fromkeys(["a.jpg", "b.jpg", "c.jpg", "d.jpg"], "fox"))
    assert drawn(tagged, images, present={"a.jpg"}) == {"a.jpg", "b.jpg"}


def test_images_stay_in_the_test_set_and_only_untrained_ones_join():
    images = single_photos(100)
    first = boxes({f"{number:04}.jpg": "fox" for number in range(50)})
    present = drawn(first, images)
    trained = tables.image_set(first) - present
    later = boxes({f"{number:04}.jpg": "fox" for number in range(100)})
    topped_up = drawn(later, images, present=present, trained=trained)
    assert present < topped_up and not topped_up & trained and len(topped_up) == 20


def test_a_burst_that_a_model_was_trained_on_cannot_join():
    images = photos("a.jpg 10:00:00\nb.jpg 10:00:10\nc.jpg 11:00:00\nd.jpg 12:00:00")
    tagged = boxes(dict.fromkeys(["a.jpg", "b.jpg", "c.jpg", "d.jpg"], "fox"))
    for seed in range(10):
        assert drawn(tagged, images, trained={"a.jpg", "c.jpg"}, seed=seed, share=0.9) == {"d.jpg"}


def test_with_everything_trained_on_there_is_nothing_to_draw():
    tagged = boxes({f"{number:04}.jpg": "fox" for number in range(10)})
    assert drawn(tagged, single_photos(10), trained=tables.image_set(tagged)) == set()


def test_images_that_are_gone_are_neither_drawn_nor_counted_but_stay():
    tagged = boxes({f"{number:04}.jpg": "fox" for number in range(20)})
    chosen = drawn(tagged, single_photos(10), present={"0015.jpg"})
    assert "0015.jpg" in chosen and len(chosen) == 3 and max(chosen - {"0015.jpg"}) < "0010.jpg"


def test_the_last_burst_is_left_to_training():
    assert drawn(boxes({"0000.jpg": "fox"}), single_photos(1)) == set()
    images = photos("a/1.jpg\na/2.jpg\na/3.jpg")
    assert (
        drawn(
            boxes(dict.fromkeys(["a/1.jpg", "a/2.jpg", "a/3.jpg"], "fox")),
            images,
            split_by="folder",
        )
        == set()
    )


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(["", "fox", "crow", "fox crow", "lynx"])),
        max_size=60,
    ),
    st.integers(0, 5),
)
def test_any_draw_keeps_bursts_whole_and_leaves_every_class_to_training(rows, seed):
    names = {f"{burst}/{number}.jpg": found for number, (burst, found) in enumerate(rows)}
    images, tagged = photos("\n".join(names)), boxes(names)
    chosen = drawn(tagged, images, seed=seed, share=0.3, split_by="folder")
    assert not {name.split("/")[0] for name in chosen} & {
        name.split("/")[0] for name in set(names) - chosen
    }
    classes = {word for found in names.values() for word in found.split()}
    assert classes == {
        word for name, found in names.items() if name not in chosen for word in found.split()
    }


def test_validation_has_about_its_share_and_images_keep_their_side_when_others_come():
    images = single_photos(1000)
    few = boxes({f"{number:04}.jpg": "fox" for number in range(0, 1000, 2)})
    many = boxes({f"{number:04}.jpg": "fox" for number in range(1000)})
    train, validation = split_validation(few, images, 0.1, 0)
    later_train, later_validation = split_validation(many, images, 0.1, 0)
    assert train <= later_train and validation <= later_validation
    assert 70 < len(later_validation) < 130 and not later_train & later_validation


def test_images_of_a_burst_are_on_one_side_of_validation():
    images = photos(
        "\n".join(
            f"{minute:02}-{second}.jpg 10:{minute:02}:{second:02}"
            for minute in range(0, 60, 3)
            for second in range(3)
        )
    )
    train, validation = split_validation(
        boxes(dict.fromkeys(tables.blob_names(images), "fox")), images, 0.5, 0
    )
    assert len(train | validation) == 60 and train and validation
    assert not {name[:2] for name in train} & {name[:2] for name in validation}


def test_a_class_is_never_only_in_validation():
    for seed in range(10):
        train, validation = split_validation(
            boxes({"0000.jpg": "fox", "0001.jpg": "crow", "0002.jpg": ""}),
            single_photos(3),
            0.9,
            seed,
        )
        assert {"0000.jpg", "0001.jpg"} <= train
    train, validation = split_validation(
        boxes({"0000.jpg": "", "0001.jpg": ""}), single_photos(2), 1, 0
    )
    assert train and validation


def test_folds_part_all_labelled_images_evenly_and_keep_bursts_whole():
    images = photos(
        "\n".join(
            f"{name}/{number}.jpg 10:00:0{number}" for name in "abcdefgh" for number in range(3)
        )
    )
    labelled = boxes({blob: "bird" for blob in tables.blob_names(images)[:21]})
    parts = folds(labelled, images, 3, seed=1)
    assert sorted(len(part) for part in parts) == [6, 6, 9]
    assert set().union(*parts) == tables.image_set(labelled)
    assert sum(map(len, parts)) == 21
    for part in parts:
        assert {sum(name[0] == folder for name in part) for folder in "abcdefg"} <= {0, 3}
    shuffled = labelled.sample(frac=1, random_state=0)
    assert folds(shuffled, images, 3, seed=1) == parts != folds(labelled, images, 3, seed=2)
    assert len(folds(labelled, images, 9, seed=1)) == 7
