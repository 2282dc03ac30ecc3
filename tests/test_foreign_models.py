"""Files of other programs where a TensorFlow model is expected are named, with what to do."""

import zipfile

import pytest

from train.network.foreign_models import foreign_model
from utils.config import load_config
from utils.config.checkpoints import missing_checkpoint


def pytorch(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("best/data.pkl", b"\x80\x02}q\x00.")
        archive.writestr("best/version", "3\n")


def old_pytorch(path):
    path.write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.")


@pytest.mark.parametrize("write", [pytorch, old_pytorch])
def test_a_pytorch_file_says_so_and_what_to_do(tmp_path, write):
    write(tmp_path / "best.pt")
    said = foreign_model(tmp_path / "best.pt")
    assert "PyTorch" in said and "import_predictions.py" in said


def test_what_may_be_ours_is_not_named(tmp_path):
    for content in (b"", b"\x0a\x05abc"):
        (tmp_path / "model.pb").write_bytes(content)
        assert foreign_model(tmp_path / "model.pb") == ""


@pytest.mark.parametrize(
    "setting, said",
    [
        ("", ""),
        ("fine_tune_checkpoint=scratch", ""),
        ("fine_tune_checkpoint=nowhere", "nowhere is not on this machine"),
        ("fine_tune_checkpoint=here/ckpt-1", ""),
        ("fine_tune_checkpoint=here", ""),
        ("fine_tune_checkpoint=nowhere\ntf_url=https://example.org/ckpt-1", ""),
    ],
)
def test_a_checkpoint_that_is_not_there_is_said_before_training(tmp_path, setting, said):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "ckpt-1.index").write_bytes(b"")
    config = tmp_path / "config.ini"
    config.write_text(
        "storage_url=store\nimage_container_name=i\nlabel_container_name=l\nclasses=bird\n"
        + setting
    )
    assert said in missing_checkpoint(load_config(config))
    assert bool(said) == bool(missing_checkpoint(load_config(config)))
