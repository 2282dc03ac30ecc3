"""What an image is worth, and which images a batch gets, strategy by strategy."""

import dataclasses

import numpy as np
import pytest
from helpers_tables import labels
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.effort.seconds import Seconds
from utils.selection.diversity import k_center, nearest, spread
from utils.selection.quotas import image_pool
from utils.selection.strategies import drawn_first, select
from utils.selection.worth import WORTH, Context, entropy, hybrid, hybrid_per_second
from utils.strategies import STRATEGIES

CLASSES = ("bird", "seal")


def rows(*images):
    """Rows of totag from ("folder/name", "class score class score …"); no text is an image seen
    empty, None an unseen one.
    """
    lines = []
    for name, text in images:
        cells = (text or "").split()
        pairs = list(zip(cells[::2], cells[1::2], strict=True))
        lowest = min((float(score) for _, score in pairs), default=0)
        lines += [f"{name} {label} 0.1 0.2 0.1 0.2 {score} {lowest}" for label, score in pairs]
        if not pairs:
            lines.append(f"{name} NULL" if text is None else f"{name} NULL 0 0 0 0 0 0")
    return labels("\n".join(lines), "totag")


def context(*images, **others):
    return Context(image_pool(rows(*images)), CLASSES, **others)


def chosen(strategy, count, *images, **others):
    return select(strategy, context(*images, **others), count).names


def test_each_strategy_has_one_record_and_one_worth_of_that_name():
    assert list(STRATEGIES) == list(WORTH)
    assert [record.name for record in STRATEGIES.values()] == list(STRATEGIES)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nothing_to_choose_from_gives_nothing(strategy):
    assert select(strategy, context(), 5).names == []


def test_entropy_is_one_bit_at_a_half_and_none_when_sure():
    np.testing.assert_allclose(entropy(np.array([0, 0.5, 0.89, 1])), [0, 1, 0.4999, 0], atol=1e-4)


def test_entropy_takes_the_images_whose_boxes_are_unsure_in_sum():
    images = ("a", "bird 0.5"), ("b", "bird 0.9 bird 0.9 bird 0.9"), ("c", "bird 0.99"), ("d", "")
    assert chosen("entropy", 4, *images) == ["b", "a", "c", "d"]  # 3 x 0.47, 1, 0.08, 0


def test_boxes_below_five_percent_say_nothing():
    assert chosen(
        "entropy", 1, ("a", "bird 0.04 bird 0.04 bird 0.04 bird 0.04"), ("b", "bird 0.97")
    ) == ["b"]


def test_least_confidence_takes_the_image_whose_surest_box_is_least_sure_and_empty_ones_last():
    assert chosen(
        "least_confidence", 3, ("a", "bird 0.9 bird 0.1"), ("b", "bird 0.4"), ("c", "")
    ) == ["b", "a", "c"]


def test_confident_takes_the_surest_finds_of_the_classes_with_few_labels():
    images = ("a", "bird 0.99"), ("b", "seal 0.6"), ("c", "seal 0.3"), ("d", "")
    assert chosen("confident", 3, *images, labelled={"bird": 9, "seal": 0}) == ["b", "c", "a"]


def test_disagreement_takes_what_the_mirror_image_changes_most():
    assert chosen(
        "disagreement",
        2,
        ("a", "bird 0.9"),
        ("b", "bird 0.9"),
        ("c", ""),
        disagreement=np.array([0.1, 0.3, np.nan]),
    ) == ["b", "c"]


def test_hybrid_prefers_the_class_that_the_model_is_bad_at():
    images = ("a", "bird 0.5"), ("b", "seal 0.5")
    labelled = {"bird": 5, "seal": 5}
    assert chosen("hybrid", 2, *images, labelled=labelled, ap50={"bird": 0.9, "seal": 0.2}) == [
        "b",
        "a",
    ]
    assert chosen("hybrid", 2, *images, labelled=labelled, ap50={"bird": 0.2, "seal": 0.9}) == [
        "a",
        "b",
    ]


def test_hybrid_takes_sure_finds_of_a_class_without_labels_before_unsure_ones_of_a_common_class():
    assert chosen(
        "hybrid", 1, ("a", "bird 0.5"), ("b", "seal 0.95"), labelled={"bird": 10, "seal": 0}
    ) == ["b"]


def test_hybrid_is_not_won_by_crowds_of_weak_boxes():
    assert chosen(
        "hybrid", 1, ("a", "bird 0.05 " * 10), ("b", "bird 0.5"), labelled={"bird": 5, "seal": 5}
    ) == ["b"]


def test_hybrid_per_second_goes_by_what_an_image_teaches_in_a_minute_of_a_person():
    images = ("crowd", "bird 0.5 " * 10), ("one", "bird 0.5"), ("sure", "bird 0.5 bird 0.99")
    # nothing is hidden: half of what is found is kept or changed (2 or 6 s), half deleted (2 s)
    cost = np.array([5 + 10 * 3, 5 + 3, 5 + 3 + 0.99 * 4 + 0.01 * 2]) / 60
    taught = hybrid(context(*images)).value
    np.testing.assert_allclose(hybrid_per_second(context(*images)).value, taught / cost)
    assert chosen("hybrid", 3, *images) == ["crowd", "sure", "one"]
    assert chosen("hybrid_per_second", 3, *images) == ["one", "sure", "crowd"]
    # for people who look for long a crowd is worth the look
    for seconds in (Seconds(look=300), Seconds(0, 0, 0, 0, 0)):
        found = chosen("hybrid_per_second", 3, *images, seconds=seconds)
        assert found == ["crowd", "sure", "one"]


def test_a_box_that_is_not_shown_costs_hybrid_per_second_the_drawing():
    pool = image_pool(rows(("a", "bird 0.5"), ("b", "bird 0.4")), lambda name: 0.5)
    seen = Context(pool, CLASSES, labelled={"bird": 5, "seal": 5})
    cost = [5 + 0.5 * 4 + 0.5 * 2, 5 + 0.4 * 7]
    np.testing.assert_allclose(hybrid_per_second(seen).value, 60 * hybrid(seen).value / cost)


def test_hybrid_leaves_empty_images_and_labelled_bursts_for_later():
    images = ("a", ""), ("b", "bird 0.5"), ("c", "bird 0.6")
    assert chosen("hybrid", 3, *images, labelled_in_burst=np.array([0, 1, 0])) == ["c", "b", "a"]


def test_hybrid_takes_images_that_differ_from_each_other_and_from_labelled_ones():
    images = [(name, "bird 0.5") for name in "abcd"]
    vectors = np.array([[0.0, 0], [0.1, 0], [5, 0], [0, 9]])
    assert chosen("hybrid", 2, *images, vectors=vectors) == ["a", "d"]
    assert chosen("hybrid", 2, *images, vectors=vectors, centres=np.array([[0.0, 9]])) == ["c", "a"]


def test_hybrid_picks_those_that_differ_from_four_times_as_many_as_are_wanted():
    images = [
        (name, f"bird {score}")
        for name, score in zip("abcde", (0.5, 0.49, 0.48, 0.47, 0.46), strict=True)
    ]
    vectors = np.array([[0.0], [0], [0], [5], [50]])
    assert chosen("hybrid", 1, *images, vectors=vectors, centres=np.array([[0.0]])) == ["d"]


def test_of_images_without_boxes_hybrid_takes_seen_ones_first_and_such_as_differ():
    images = [
        ("bird", "bird 0.5"),
        *((f"new{n}", None) for n in range(9)),
        *((f"seen{n:02}", "") for n in range(40)),
    ]
    names = chosen("hybrid", 4, *images, balance=(0, 0, 1), vectors=np.arange(50.0)[:, None])
    places = sorted(int(name.removeprefix("seen")) for name in names)
    assert places[-1] - places[0] >= 30  # by name, the candidates would be 0 to 15
    assert sorted(chosen("hybrid", 43, *images, balance=(0, 0, 1)))[:3] == ["new0", "new1", "new2"]


def test_coreset_takes_the_image_farthest_from_everything_that_is_labelled_or_chosen():
    images = [(name, "") for name in "abcd"]
    vectors = np.array([[0.0], [1], [4], [9]])
    assert chosen("coreset", 2, *images, vectors=vectors, centres=np.array([[0.0]])) == ["d", "c"]


def test_coreset_without_embeddings_says_so():
    assert "no image embeddings" in select("coreset", context(("a", "")), 1).notes[0]
    hashed = select("coreset", context(("a", ""), vectors=np.ones((1, 4)), hashes=True), 1)
    assert "perceptual hashes" in hashed.notes[0]
    assert select("hybrid", context(("a", ""), vectors=np.ones((1, 4))), 1).notes == ()


def test_images_that_no_model_has_seen_are_spread_over_folders_and_time():
    images = [(f"{folder}/{number}", None) for folder in "xy" for number in range(4)]
    selection = select("hybrid", context(*images), 4)
    assert sorted(selection.names) == ["x/0", "x/2", "y/0", "y/2"]
    assert "no model has seen" in selection.notes[0]


def test_the_spread_takes_one_image_of_each_burst_before_the_second_of_any():
    worth = spread(np.zeros(6, int), np.array([0, 0, 0, 0, 1, 2]), np.arange(6))
    assert set(np.argsort(-worth)[:3]) == {0, 4, 5}


@pytest.mark.parametrize("strategy, text", [("hybrid", None), ("coreset", "")])
def test_the_spread_leaves_bursts_of_which_somebody_has_an_image_for_later(strategy, text):
    images = [(name, text) for name in "abcd"]
    bursts = {"burst": np.array([0, 0, 1, 1]), "order": np.arange(4)}
    assert chosen(strategy, 1, *images, **bursts) == ["a"]
    assert chosen(strategy, 1, *images, **bursts, labelled_in_burst=np.array([1, 1, 0, 0])) == ["c"]


def test_quotas_hold_for_every_strategy_but_random():
    images = [
        *((f"b{n}", "bird 0.5") for n in range(9)),
        *((f"s{n}", "seal 0.5") for n in range(9)),
        *((f"n{n}", "") for n in range(9)),
    ]
    for strategy in ("hybrid", "entropy", "least_confidence", "coreset", "confident", "lowest_box"):
        names = chosen(strategy, 10, *images, balance=(0.5, 0.3, 0.2))
        assert [sum(name[0] == letter for name in names) for letter in "bsn"] == [5, 3, 2], strategy


@pytest.mark.parametrize("strategy", ["hybrid", "lowest_box"])
def test_what_the_batch_has_of_a_burst_already_counts_in_its_limit(strategy):
    images = ("a", "bird 0.5"), ("b", "bird 0.6"), ("c", "bird 0.9")
    limit = {"burst": np.array([0, 0, 1]), "max_per_burst": 2}
    assert chosen(strategy, 2, *images, **limit) == ["a", "b"]
    assert chosen(strategy, 2, *images, **limit, given=np.array([1, 1, 0])) == ["a", "c"]
    assert chosen(strategy, 2, *images, **limit, given=np.array([2, 2, 0])) == ["c", "a"]


def test_no_folder_gives_more_than_twice_its_share_while_others_have_images():
    images = [
        *((f"x/{n}", "bird 0.5") for n in range(20)),
        *((f"{folder}/1", "bird 0.9") for folder in "abcde"),
    ]
    names = chosen("hybrid", 6, *images)
    assert sum(name.startswith("x/") for name in names) == 2


def test_the_random_share_comes_first_and_the_strategy_fills_up():
    images = [(f"a{n:02}", f"bird {0.5 if n < 10 else 0.99}") for n in range(40)]
    selection = select("hybrid", context(*images, random_share=0.25, seed=3), 8)
    assert selection.random.tolist() == [True] * 2 + [False] * 6
    assert set(selection.names[2:]) <= {f"a{n:02}" for n in range(10)}
    assert select("random", context(*images, seed=3), 2).names == selection.names[:2]


def test_what_is_drawn_at_random_is_a_centre_for_the_rest_of_the_batch():
    images = [(name, "bird 0.5") for name in "abcd"]
    by_chance = chosen("random", 1, *images)[0]
    near, far = [name for name in "abcd" if name != by_chance][:2]
    vectors = np.array([[9.0 if name == far else 0.1 if name == near else 0] for name in "abcd"])
    assert chosen("hybrid", 2, *images, vectors=vectors, random_share=0.5) == [by_chance, far]


def test_of_small_batches_as_many_are_drawn_as_the_share_says_in_the_long_run():
    pool = context(*((f"{n}", "") for n in range(500))).pool
    drawn = [
        len(drawn_first(dataclasses.replace(pool, names=pool.names[n:]), 0, 0.2))
        for n in range(500)
    ]  # two images, a share of 0.1
    assert set(drawn) == {0, 1} and 75 <= sum(drawn) <= 125  # 100, standard deviation 9
    assert {len(drawn_first(pool, seed, 3)) for seed in range(20)} == {3}


def test_every_image_is_drawn_equally_often():
    images = [(f"{n}", "bird 0.5" if n < 5 else "") for n in range(20)]
    base = context(*images, random_share=0.2)
    counts = dict.fromkeys((name for name, _ in images), 0)
    for seed in range(1000):
        selection = select("hybrid", dataclasses.replace(base, seed=seed), 10)
        for name, drawn in zip(selection.names, selection.random, strict=True):
            counts[name] += drawn
    # 2 of 20 a thousand times: 100 each; chi-square with 19 degrees of freedom is below 43.8 with
    # probability 0.999
    assert sum((count - 100) ** 2 / 100 for count in counts.values()) < 43.8


def test_a_selection_says_why():
    selection = select(
        "hybrid",
        context(
            ("a/1", "seal 0.5"), ("a/2", ""), burst=np.array([0, 1]), burst_names=["a/1", "a/2"]
        ),
        2,
    )
    table = selection.table()
    assert table["filename"].tolist() == ["1", "2"] and table["folder"].tolist() == ["a", "a"]
    assert table["class"].tolist() == ["seal", ""] and table["burst"].tolist() == ["a/1", "a/2"]
    assert table["strategy"].tolist() == ["hybrid"] * 2 and table["random"].tolist() == ["0", "0"]
    # one bit, of weight 1: nothing is labelled or measured yet
    assert table["score"].tolist() == [
        1,
        0,
    ]


kinds = st.sampled_from(
    ["", None, "bird 0.9", "bird 0.2", "seal 0.5", "seal 0.1 bird 0.9", "moth 0.7"]
)
drawn_images = st.lists(
    st.tuples(st.sampled_from(["", "x/", "y/"]), kinds, st.integers(0, 3), st.integers(0, 3)),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(
    drawn_images,
    st.integers(0, 30),
    st.sampled_from([s for s in STRATEGIES if s != "disagreement"]),
    st.sampled_from([(), (0.5, 0.3, 0.2), (0, 0, 1)]),
    st.sampled_from([0, 0.1, 0.5, 1]),
    st.sampled_from([None, 1, 2]),
    st.booleans(),
)
def test_exactly_as_many_as_asked_for_none_twice_and_bursts_within_their_limit(
    drawn, count, strategy, balance, share, limit, with_vectors
):
    images = [(f"{folder}{number}", text) for number, (folder, text, _, _) in enumerate(drawn)]
    burst = np.array([group for _, _, group, _ in drawn], int)
    vectors = (
        np.array([[float(place)] for *_, place in drawn]).reshape(-1, 1) if with_vectors else None
    )
    selection = select(
        strategy,
        context(
            *images,
            balance=balance,
            random_share=share,
            burst=burst,
            vectors=vectors,
            max_per_burst=limit,
        ),
        count,
    )
    assert len(selection.names) == len(set(selection.names)) == min(count, len(drawn))
    if limit and strategy != "random":
        place = {name: number for number, (name, _) in enumerate(images)}
        size, given_by = (
            np.bincount(burst, minlength=4),
            np.bincount(burst[[place[name] for name in selection.names]], minlength=4),
        )
        by_chance = np.bincount(
            burst[[place[n] for n, r in zip(selection.names, selection.random, strict=True) if r]],
            minlength=4,
        )
        most = np.maximum(limit, by_chance)
        # above the limit only when nothing else is left
        assert (given_by <= most).all() or (given_by >= np.minimum(size, limit)).all()


def test_k_center_takes_the_farthest_each_time_and_weight_scales_the_distance():
    line = np.array([[0.0], [1], [2], [10]])
    assert k_center(line, np.array([1, 0.5, 0.5, 0.5]), 3).tolist() == [0, 3, 2]
    assert k_center(line, np.array([1, 1, 0.5, 0.01]), 2).tolist() == [0, 1]


def test_k_center_without_vectors_goes_by_weight_and_a_missing_one_is_as_far_as_the_median():
    assert k_center(None, np.array([0.1, 0.9, 0.5]), 2).tolist() == [1, 2]
    assert k_center(
        np.array([[0.0], [1], [np.nan], [9]]), np.array([1, 1, 2, 1]), 3, np.array([[0.0]])
    ).tolist() == [3, 1, 0]
    assert k_center(
        np.array([[0.0], [1], [np.nan], [9]]), np.array([1, 1, 20, 1]), 1, np.array([[0.0]])
    ).tolist() == [2]


def test_k_center_counts_what_a_folder_gave_anew_in_each_batch():
    line, folder = np.array([[0.0], [8], [16], [24], [1], [2]]), np.array([0, 0, 0, 0, 1, 2])
    alike = np.ones(6)
    assert k_center(line, alike, 4, None, folder, 2).tolist() == [0, 3, 5, 4]
    assert k_center(line, alike, 4, None, folder, 2, batch=2).tolist() == [0, 3, 1, 2]


@given(st.integers(1, 30), st.integers(1, 9), st.integers(0, 5))
def test_the_nearest_centre_is_found(points, centres, seed):
    draw = np.random.default_rng(seed)
    left, right = draw.normal(size=(points, 3)), draw.normal(size=(centres, 3))
    plain = np.linalg.norm(left[:, None] - right[None], axis=2).min(axis=1)
    np.testing.assert_allclose(
        nearest(left.astype(np.float32), right.astype(np.float32)), plain, atol=1e-3
    )
