"""The order in which tests run."""

from pathlib import Path

from helpers_order import LONGEST, shared_out


def test_each_process_begins_with_some_of_the_longest_tests_and_none_is_lost():
    names = [f"test_{number}" for number in range(20)]
    names[3:3] = LONGEST[:5]
    for among in (1, 2, 3, 5):
        order = shared_out(names, names, among)
        assert sorted(order) == sorted(names)
        for part in range(among):
            begins = part * len(names) // among
            expected = list(LONGEST[:5][part::among])
            assert order[begins : begins + len(expected)] == expected
    few = [*LONGEST[:4], "test_0"]
    assert sorted(shared_out(few, few, 3)) == sorted(few)


def test_the_longest_tests_are_there():
    texts = [file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("test_*.py")]
    for name in LONGEST:
        assert any(f"def {name}(" in text for text in texts), name
