"""A model that sees the same in every image is named as such."""

from helpers_evaluation import predicted, truth

from train.evaluation.sameness import same_everywhere

OBJECTS = truth("\n".join(f"{n}.jpg cow 0.{n} 0.1 0.{n}5 0.2" for n in range(9)))


def in_each(box: str, images: int = 9, name: str = "cow", score: float = 0.5) -> str:
    return "\n".join(f"{n}.jpg {name} {box} {score}" for n in range(images))


def test_one_box_in_every_image_is_named_with_what_to_change():
    found = same_everywhere(OBJECTS, predicted(in_each("0 0 1 1")))
    assert found.images == 9
    text = str(found)
    assert "surest of one cow from 0% to 100% of the width and 0% to 100% of the height" in text
    assert "freeze_backbone=True" in text and "train_iterations" in text


def test_less_sure_boxes_elsewhere_do_not_hide_it():
    others = "\n".join(f"{n}.jpg cow 0.{n} 0.1 0.{n}5 0.2 0.2" for n in range(9))
    assert same_everywhere(OBJECTS, predicted(in_each("0 0 1 0.99") + "\n" + others))


def test_a_model_that_looks_is_not_named():
    assert (
        same_everywhere(
            OBJECTS, predicted("\n".join(f"{n}.jpg cow 0.{n} 0.1 0.{n}5 0.2 0.9" for n in range(9)))
        )
        is None
    )


def test_few_images_no_boxes_and_several_classes_say_nothing():
    assert same_everywhere(OBJECTS, predicted(in_each("0 0 1 1", images=4))) is None
    assert same_everywhere(OBJECTS, predicted("1.jpg NULL 0 0 0 0 0")) is None
    two = in_each("0 0 1 1", images=5) + "\n" + "7.jpg deer 0 0 1 1 0.9"
    assert same_everywhere(OBJECTS, predicted(two)) is None


def test_objects_that_are_always_in_one_place_are_no_fault_of_the_model():
    always = truth("\n".join(f"{n}.jpg cow 0.3 0.3 0.6 0.6" for n in range(9)))
    assert same_everywhere(always, predicted(in_each("0.3 0.3 0.6 0.62"))) is None
