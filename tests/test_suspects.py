"""How strongly labels and a model contradict each other: exact values, and planted mistakes."""

import pytest
from helpers_tables import labels

from utils.boxes.suspects import KINDS, OFF, OVERLOOKED, SWAPPED, UNSUPPORTED, suspects

# what the model finds in each of the good images, and what people drew there
GOOD = "bird 0.1 0.5 0.2 0.8"
PLANTED = {  # {kind: what somebody has labelled wrongly in x.jpg}
    OVERLOOKED: ["NULL"],
    SWAPPED: ["seal 0.1 0.5 0.2 0.8"],
    OFF: ["bird 0.3 0.7 0.2 0.8"],
    UNSUPPORTED: [GOOD, "bird 0.6 0.9 0.1 0.4"],
}


def found(text: str):
    """Predictions; a line without score is of an image in which nothing was found."""
    return labels(text, "totag")


def judge(labelled: str, predicted: str):
    return suspects(labels(labelled), found(predicted))


def described(suspect) -> tuple:
    return suspect.image, suspect.kind, round(suspect.suspicion, 3)


def good(kind_of_score="0.9 0.9", number=9) -> tuple[list[str], list[str]]:
    """Images whose labels are right, and what the model finds in them."""
    right = [f"{name}.jpg {GOOD}" for name in range(number)]
    seals = [f"s{name}.jpg seal 0.1 0.5 0.2 0.8" for name in range(number)]
    return [*right, *seals], [f"{row} {kind_of_score}" for row in [*right, *seals]]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_planted_mistake_comes_first(kind):
    drawn, seen = good()
    rows = [f"x.jpg {row}" for row in PLANTED[kind]]
    first = judge("\n".join([*drawn, *rows]), "\n".join([*seen, f"x.jpg {GOOD} 0.9 0.9"]))[0]
    assert (first.image, first.kind) == ("x.jpg", kind) and first.suspicion > 0.5


@pytest.mark.parametrize(
    "kind, sides, score, expected",
    [
        (OVERLOOKED, "", 0.9, 0.9),
        (OVERLOOKED, "bird 0.1 0.5 0.2 0.32", 0.9, 0.9 * 0.8 / 0.9),  # shares 0.2: off
        (SWAPPED, "seal 0.1 0.5 0.2 0.8", 0.7, 0.7),
        (OFF, "bird 0.1 0.5 0.2 0.56", 0.9, 0.9 * 0.4 / 0.9),  # shares 0.6
        (UNSUPPORTED, "seal 0.6 0.9 0.1 0.4", 0.0, 1.0),
    ],
)
def test_a_contradiction_that_stands_alone_counts_with_its_strength(kind, sides, score, expected):
    drawn, seen = good()
    label = f"x.jpg {sides}" if sides else "x.jpg NULL"
    said = f"x.jpg {GOOD} {score} {score}" if score else "x.jpg NULL 0 0 0 0 0 0"
    first = judge("\n".join([*drawn, label]), "\n".join([*seen, said]))[0]
    assert first.suspicion == pytest.approx(expected) and first.image == "x.jpg"
    assert first.kind == (OFF if "0.32" in sides else kind)


def test_what_a_model_does_often_says_less():
    drawn, seen = good()
    missed = [f"m{number}.jpg {GOOD}" for number in range(3)]
    blind = [f"m{number}.jpg NULL 0 0 0 0 0 0" for number in range(3)]
    ranked = judge("\n".join([*drawn, *missed]), "\n".join([*seen, *blind]))
    # 2 others, of 12 birds and of 21 images, are contradicted in the same way as strongly
    expected = round(1 / (1 + 2 / 12 / 0.05) / (1 + 2 / 21 / 0.05), 3)
    found = {described(row) for row in ranked if row.image[0] == "m"}
    assert found == {(f"m{number}.jpg", UNSUPPORTED, expected) for number in range(3)}


def test_what_agrees_is_as_suspicious_as_the_model_is_unsure():
    rows = judge("1.jpg bird 0.1 0.5 0.2 0.8", "1.jpg bird 0.1 0.5 0.2 0.8 0.9 0.9")
    assert [described(row) for row in rows] == [("1.jpg", UNSUPPORTED, 0.1)]
    assert judge("1.jpg bird 0.1 0.5 0.2 0.8", "1.jpg bird 0.1 0.5 0.2 0.8 1 1") == []


def test_an_unsure_detection_and_a_class_that_is_never_found_weigh_little():
    drawn, seen = good()
    owls = [f"o{number}.jpg owl 0.1 0.5 0.2 0.8" for number in range(9)]
    blind = [f"o{number}.jpg NULL 0 0 0 0 0 0" for number in range(9)]
    ranked = judge(
        "\n".join([*drawn, *owls, "x.jpg NULL", "y.jpg NULL"]),
        "\n".join([*seen, *blind, f"x.jpg {GOOD} 0.9 0.9", f"y.jpg {GOOD} 0.3 0.3"]),
    )
    assert [described(row)[:2] for row in ranked[:2]] == [
        ("x.jpg", OVERLOOKED),
        ("y.jpg", OVERLOOKED),
    ]
    owl = 1 / (1 + 8 / 9 / 0.05) / (1 + 8 / 29 / 0.05)
    assert [row.suspicion for row in ranked if row.image[0] == "o"] == pytest.approx([owl] * 9)


def test_a_class_that_the_model_invents_is_not_trusted():
    drawn, seen = good()
    empty = "\n".join(f"e{number}.jpg NULL" for number in range(4))
    invented = "\n".join(f"e{number}.jpg owl 0.1 0.3 0.1 0.3 0.9 0.9" for number in range(4))
    ranked = judge("\n".join([*drawn, empty]), "\n".join([*seen, invented]))
    owl = 0.9 / (1 + 3 / 4 / 0.05) / (1 + 3 / 22 / 0.05)
    assert [row.suspicion for row in ranked if row.image[0] == "e"] == pytest.approx([owl] * 4)


def test_even_a_weak_detection_supports_a_label():
    drawn, seen = good()
    rows = judge(
        "\n".join([*drawn, f"weak.jpg {GOOD}", f"none.jpg {GOOD}"]),
        "\n".join([*seen, f"weak.jpg {GOOD} 0.02 0.02", "none.jpg NULL 0 0 0 0 0 0"]),
    )
    found = {row.image: row for row in rows if row.image in ("weak.jpg", "none.jpg")}
    assert found["none.jpg"].suspicion == 1 and found["weak.jpg"].kind == UNSUPPORTED
    # one of 11 birds, and of 20 images, is contradicted more strongly
    expected = 0.98 / (1 + 1 / 11 / 0.05) / (1 + 1 / 20 / 0.05)
    assert found["weak.jpg"].suspicion == pytest.approx(expected)


def test_what_is_contradicted_in_most_images_says_little_however_many_labels_agree():
    crowd = [f"bird {left / 10:g} {left / 10 + 0.08:g} 0.2 0.8" for left in range(10)]
    drawn, seen = [], []
    for number in range(10):  # in each image the model finds nine of ten
        drawn += [f"{number}.jpg {row}" for row in crowd]
        seen += [f"{number}.jpg {row} 1 1" for row in crowd[1:]]
    rows = judge("\n".join(drawn), "\n".join(seen))
    expected = 1 / (1 + 9 / 10 / 0.05) ** 2  # of 10 images, not of 100 labels
    assert [row.suspicion for row in rows] == pytest.approx([expected] * 10)


def test_no_kind_takes_all_first_places():
    drawn, seen = good(number=20)
    drawn += [*(f"over{number}.jpg NULL" for number in range(10)), "off.jpg bird 0.3 0.7 0.2 0.8"]
    # ten of one kind, each of another class, are all stronger than the only one of another kind
    seen += [f"over{number}.jpg owl{number} 0.1 0.5 0.2 0.8 0.99 0.99" for number in range(10)]
    rows = judge("\n".join(drawn), "\n".join([*seen, f"off.jpg {GOOD} 0.9 0.9"]))
    assert rows[0].image == "off.jpg"


def test_neighbours_in_a_crowd_and_doubled_detections_are_told_apart():
    row = [f"{left / 10:g} {left / 10 + 0.19:g} 0.2 0.8" for left in (0, 1.5, 3, 4.5, 6)]
    drawn = "\n".join(f"c.jpg bird {sides}" for sides in row)
    seen = [f"c.jpg bird {sides} 1 1" for sides in row]
    doubled = "c.jpg bird 0 0.18 0.2 0.8 0.1 0.1"
    assert judge(drawn, "\n".join([*seen, doubled])) == []


def test_images_in_only_one_table_do_not_count_and_equal_ones_come_by_name():
    ranked = judge(
        "b.jpg NULL\na.jpg NULL\nc.jpg NULL\nd.jpg NULL",
        f"b.jpg {GOOD} 0.8 0.8\na.jpg {GOOD} 0.8 0.8\nd.jpg NULL 0 0 0 0 0 0\nz.jpg {GOOD} 1 1",
    )
    assert [row.image for row in ranked] == ["a.jpg", "b.jpg"]


def test_the_reason_is_said_in_words():
    drawn, seen = good()
    words = {}
    for kind, rows in PLANTED.items():
        text = "\n".join([*drawn, *(f"x.jpg {row}" for row in rows)])
        words[kind] = judge(text, "\n".join([*seen, f"x.jpg {GOOD} 0.9 0.9"]))[0].words
    assert words == {
        OVERLOOKED: "no box where the model sees bird (score 0.90)",
        SWAPPED: "labelled seal, the model sees bird (score 0.90)",
        OFF: "the box of bird may be off: it shares 0.33 with the model's (score 0.90)",
        UNSUPPORTED: "the model sees nothing where bird is labelled",
    }
