"""What all annotation tools have in common: a batch written for a tool, and what comes back."""

from helpers_batch import THREE, Project


def test_the_boxes_of_a_batch_carry_their_models_score(folder_store, tmp_path):
    project = Project(folder_store, tmp_path, THREE)
    project.run("download", 3)
    handed_out = [box for item in project.batch["images"].values() for box in item["boxes"]]
    assert handed_out == [["bird", 0.1, 0.5, 0.2, 0.8, 0.9]]
