"""config.ini: what is read, what it means, and what each wrong value says."""

import dataclasses
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from utils.config import KEYS, Config, load_config, read_config
from utils.errors import InputError

SMALLEST = "image_container_name=images\nlabel_container_name=labels\nclasses=knots,defect\n"


def config(
    tmp_path: Path, text: str | bytes = "", environ: dict | None = None, smallest: str = SMALLEST
) -> Config:
    path = tmp_path / "config.ini"
    path.write_bytes(text if isinstance(text, bytes) else (smallest + text).encode())
    return load_config(path, environ or {})


def message(
    tmp_path: Path, text: str, environ: dict | None = None, smallest: str = SMALLEST
) -> str:
    with pytest.raises(InputError) as caught:
        config(tmp_path, text, environ, smallest)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_three_keys_are_enough_and_everything_else_has_a_default(tmp_path, capsys):
    read = config(tmp_path)
    assert read.classes == ("knots", "defect")
    assert (read.filetype, read.user_folders, read.storage_url, read.ideal_class_balance) == (
        "*.jpg",
        False,
        "",
        (),
    )
    assert (read.data_dir, read.image_dir) == (tmp_path / "data", tmp_path / "data" / "AllImages")
    assert (read.min_tile_size, read.max_tile_size, read.model_name) == (
        600,
        1024,
        "faster_rcnn_resnet50_fpn",
    )
    assert (read.tagging_location, read.fine_tune_checkpoint, read.batch_size) == (None, None, None)
    assert "@" in read.tagger_name
    assert capsys.readouterr().err == ""


def test_every_field_of_config_is_a_key_or_comes_from_the_environment():
    fields = {field.name for field in dataclasses.fields(Config)}
    assert fields - set(KEYS) == {
        "path",
        "written",
        "connection_string",
        "sas_token_images",
        "sas_token_labels",
    }
    assert set(KEYS) <= fields
    assert all(spec.name.lower() == key for key, spec in KEYS.items())


def test_a_file_of_the_earlier_generation_loads_unchanged(tmp_path, capsys):
    text = (
        "# settings\r\nAZURE_STORAGE_ACCOUNT=<STORAGE ACCOUNT NAME>\r\nAZURE_STORAGE_KEY=<STORAGE"
        " ACCOUNT KEY>\r\n"
        "image_container_name=activelearningimages\r\nlabel_container_name=activelearninglabels\r\npred_dir=None"
        " \r\n"
        "classes=knots, marine mammal"
        " ,defect\r\ntagging_location=C:\\Users\\t-yapand\\Desktop\\NewTag\r\n"
        "python_file_directory=/home/me/train\r\ndata_dir=/home/me/data\r\nmin_confidence=.5\r\nmin_tile_size=None\r\n"
        "num_classes=\"$(awk -F ',' '{print NF}' <<<"
        ' ${classes})"\r\nPYTHONPATH=$PYTHONPATH:${tf_models_location}\r\n'
        'image_dir="${data_dir}/AllImages"\r\ntf_record_location=${data_dir}/stamps.record\r\n'
        "test_output=${tf_record_location%.*}_test.${tf_record_location##*.}\r\nmodel_name=faster_rcnn_resnet101_coco_2018_01_28\r\n"
        "download_location=/home/me/downloads\r\nfine_tune_checkpoint=${download_location}/${model_name}/model.ckpt\r\n"
        "tf_url=http://download.tensorflow.org/models/object_detection/${model_name}.tar.gz\r\n"
    )
    read = config(tmp_path, b"\xef\xbb\xbf" + text.encode())
    assert (read.azure_storage_account, read.azure_storage_key, read.pred_dir) == ("", "", None)
    assert read.classes == ("knots", "marine mammal", "defect")
    assert read.image_dir == Path("/home/me/data/AllImages")
    assert read.test_output == Path("/home/me/data/stamps_test.record")
    assert (read.min_confidence, read.min_tile_size, read.model_name) == (
        0.5,
        600,
        "faster_rcnn_resnet101_fpn",
    )
    assert (read.tf_url, read.fine_tune_checkpoint) == (None, None)
    notices = capsys.readouterr().err.splitlines()
    assert [notice.partition(": ")[2] for notice in notices] == [
        "no meaning any more, may be deleted: python_file_directory, num_classes, PYTHONPATH",
        (
            "tf_url and fine_tune_checkpoint name a TF1 archive that can no longer be loaded; the"
            " default pretrained weights are used"
        ),
    ]


def test_the_files_that_users_have_load(shared):
    config_ini, devtest = (
        read_config(shared / "legacy" / "configs" / name, {})
        for name in ("config.ini", "config_devtest.ini")
    )
    assert config_ini[0].ideal_class_balance == (0.6, 0.3, 0.1)
    assert (config_ini[0].min_tile_size, config_ini[0].max_tile_size, config_ini[0].model_name) == (
        250,
        500,
        "faster_rcnn_resnet50_fpn",
    )
    assert devtest[0].data_dir == Path.home() / "data" / "usgs_2019pred"
    assert [notice.partition(": ")[2].split(";")[0] for notice in devtest[1][1:]] == [
        "model_name=faster_rcnn_inception_v2_coco_2018_01_28 is not available any more",
        "tf_url and fine_tune_checkpoint name a TF1 archive that can no longer be loaded",
    ]


@pytest.mark.parametrize(
    "line, value",
    [
        ("tagger_name=anna", "anna"),
        ("tagger_name = anna  ", "anna"),
        ("export tagger_name=anna", "anna"),
        ('tagger_name="anna # b"   # the first', "anna # b"),
        ("tagger_name=anna # the first", "anna"),
        ("tagger_name=anna#1", "anna#1"),
        ("tagger_name='${filetype}'", "${filetype}"),
        ("tagger_name=${filetype}", "*.jpg"),
        ("tagger_name=$filetype", "*.jpg"),
        ("tagger_name=$5 & co", "$5 & co"),
        ("tagger_name=${ME}", "from outside"),
        ("tagger_name=$(touch owned)", "$(touch owned)"),
        ("tagger_name=a=b", "a=b"),
        ("[tagger]\n; comment\ntagger_name=Übung", "Übung"),
        ("tagger_name=one\ntagger_name=two", "two"),
    ],
)
def test_a_value_is_read_as_a_shell_would_but_never_run(tmp_path, line, value):
    assert config(tmp_path, "filetype=*.jpg\n" + line, {"ME": "from outside"}).tagger_name == value
    assert not Path("owned").exists()


@pytest.mark.parametrize(
    "reference, value",
    [
        ("${x%.*}", "/a.b/c.d"),
        ("${x%%.*}", "/a"),
        ("${x#*/}", "a.b/c.d.e"),
        ("${x##*/}", "c.d.e"),
        ("${x##*.}", "e"),
        ("${x%nothing}", "/a.b/c.d.e"),
    ],
)
def test_ends_are_cut_off_a_reference_as_in_a_shell(tmp_path, reference, value):
    assert config(tmp_path, f"x=/a.b/c.d.e\ntagger_name={reference}").tagger_name == value


def test_a_reference_to_a_folder_that_is_not_written_down_means_its_default(tmp_path):
    read = config(tmp_path, "init_model_graph=${download_location}/x/graph.pb")
    assert read.init_model_graph == tmp_path / "data" / "downloads" / "x" / "graph.pb"


def test_relative_paths_are_relative_to_the_file_and_home_is_known(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "config.ini").write_text(
        SMALLEST + "data_dir=my data\ntrain_dir=~/t\nstorage_url=store\n"
    )
    read = load_config("../config.ini", {})
    assert (read.data_dir, read.train_dir) == (tmp_path / "my data", Path.home() / "t")
    assert (read.storage_url, read.path) == (str(tmp_path / "store"), tmp_path / "config.ini")


@pytest.mark.parametrize(
    "url, read",
    [
        ("", ""),
        ("https://me.blob.core.windows.net/", "https://me.blob.core.windows.net"),
        ("http://127.0.0.1:10000/devstoreaccount1", "http://127.0.0.1:10000/devstoreaccount1"),
        ("file:///a/b%20c", "/a/b c"),
        ("/a/b", "/a/b"),
    ],
)
def test_a_storage_url_is_an_address_or_a_folder(tmp_path, url, read):
    assert config(tmp_path, f"storage_url={url}").storage_url == read


@pytest.mark.skipif(os.name == "nt", reason="about Windows paths elsewhere")
def test_a_windows_path_is_refused_only_by_what_would_use_it(tmp_path):
    read = config(tmp_path, "tagging_location=C:\\Users\\me\\NewTag")
    with pytest.raises(
        InputError,
        match=(
            r"tagging_location=C:\\Users\\me\\NewTag cannot be used here; expected a folder of this"
            r" machine"
        ),
    ):
        read.need("tagging_location")
    assert (
        message(tmp_path, "storage_url=D:\\store")
        == "config.ini: storage_url=D:\\store (a Windows path on another system) is not allowed; "
        "expected nothing, an http(s) address of a storage account, or a folder"
    )


@pytest.mark.parametrize(
    "text, said",
    [
        (
            "user_folders=maybe",
            "config.ini: user_folders=maybe is not allowed; allowed are True and False",
        ),
        (
            "test_percentage=20",
            (
                "config.ini: test_percentage=20 is not allowed; expected a share from 0 to 1, such"
                " as 0.2"
            ),
        ),
        (
            "min_confidence=nan",
            (
                "config.ini: min_confidence=nan is not allowed; expected a number from 0 to 1, such"
                " as 0.5"
            ),
        ),
        (
            "train_iterations=2.5",
            (
                "config.ini: train_iterations=2.5 is not allowed; expected auto, or a whole"
                " number of training steps"
            ),
        ),
        (
            "min_tile_size=900\nmax_tile_size=800",
            (
                "config.ini: min_tile_size=900 is larger than max_tile_size=800; "
                "expected the shorter and the longer side of what the model sees"
            ),
        ),
        (
            "classes=a,a",
            (
                "config.ini: classes=a,a (a stands twice) is not allowed; "
                "expected different names separated by commas, such as knots,defect"
            ),
        ),
        (
            "classes=a,,b",
            (
                "config.ini: classes=a,,b (an empty name between two commas) is not allowed; "
                "expected different names separated by commas, such as knots,defect"
            ),
        ),
        (
            "classes=Average,a",
            (
                "config.ini: classes=Average,a (Average is the row of all classes together in the"
                " performance table) is not allowed; expected different names separated by commas,"
                " such as knots,defect"
            ),
        ),
        (
            "classes=a,NULL",
            (
                "config.ini: classes=a,NULL (NULL is the mark of an image without boxes) is not"
                " allowed; expected different names separated by commas, such as knots,defect"
            ),
        ),
        (
            "classes=",
            (
                "config.ini: classes= is empty; expected different names separated by commas, such"
                " as knots,defect"
            ),
        ),
        (
            "image_container_name=<IMAGES>",
            (
                "config.ini: image_container_name=<IMAGES> is a placeholder; "
                "expected the name of the container that holds the images"
            ),
        ),
        (
            "ideal_class_balance=0.5,0.5",
            (
                "config.ini: ideal_class_balance=0.5,0.5 has 2 shares; expected 3: one for each of"
                " the 2 classes, then the share of images without detections"
            ),
        ),
        (
            "ideal_class_balance=0.5,0.3,0.1",
            "config.ini: ideal_class_balance=0.5,0.3,0.1 sums to 0.9; expected 1 (0.99 to 1.01)",
        ),
        (
            "model_name=yolo",
            (
                "config.ini: model_name=yolo is not allowed; allowed are faster_rcnn_resnet50_fpn,"
                " faster_rcnn_resnet18_fpn, faster_rcnn_resnet101_fpn, faster_rcnn_mobilenet_v2_fpn"
            ),
        ),
        (
            "data_dir=${nowhere}/x",
            "config.ini: data_dir=${nowhere}/x refers to nowhere, which is not defined",
        ),
        (
            "data_dir=${data_dir}/x",
            "config.ini: data_dir=${data_dir}/x refers to data_dir, in a circle",
        ),
        (
            "storage_url=ftp://x",
            (
                "config.ini: storage_url=ftp://x is not allowed; "
                "expected nothing, an http(s) address of a storage account, or a folder"
            ),
        ),
        (
            "storage_url=http://[bad?sig=x",
            (
                "config.ini: storage_url=http://[bad is not allowed; "
                "expected nothing, an http(s) address of a storage account, or a folder"
            ),
        ),
        (
            "tf_url=https://me:word@[bad]/x?sig=x",
            "config.ini: tf_url=https://[bad]/x is not allowed; " + KEYS["tf_url"].allowed,
        ),
        (
            "image_dir=a\0b",
            "config.ini: image_dir=a\0b is not allowed; " + KEYS["image_dir"].allowed,
        ),
        (
            "reservation_hours=1e300",
            (
                "config.ini: reservation_hours=1e300 is not allowed; expected hours, more than 0"
                " and at most 1000000"
            ),
        ),
        (
            "label_container_name=images",
            "config.ini: label_container_name=images is the image container too; expected another",
        ),
    ],
)
def test_a_bad_value_is_one_line_with_file_key_value_and_what_is_allowed(tmp_path, text, said):
    assert message(tmp_path, text) == said


def test_a_missing_key_or_file_is_one_line(tmp_path):
    assert (
        message(tmp_path, "", smallest="classes=a\nlabel_container_name=labels\n")
        == "config.ini: image_container_name is missing; expected the name of the container that"
        " holds the images"
    )
    with pytest.raises(
        InputError,
        match=(
            "no.ini: there is no such config file; copy config.ini, fill it in, and give its path"
        ),
    ):
        load_config(tmp_path / "no.ini", {})
    with pytest.raises(InputError, match="this is a folder"):
        load_config(tmp_path, {})


@pytest.mark.parametrize(
    "text, names",
    [
        ('"Larus argentatus","Phoca vitulina"', ("Larus argentatus", "Phoca vitulina")),
        ('"Larus argentatus", "Phoca vitulina"  # two', ("Larus argentatus", "Phoca vitulina")),
        ("'a b','c'", ("a b", "c")),
        ('"a b",c', ("a b", "c")),
        ("a,'c d'", ("a", "c d")),
        ("“a b”,„c“", ("a b", "c")),
        ('"a,b"', ("a", "b")),
        ("Wilson's petrel,b", ("Wilson's petrel", "b")),
    ],
)
def test_quotes_round_a_class_go(tmp_path, text, names):
    lines = [line for line in SMALLEST.splitlines() if not line.startswith("classes")]
    assert config(tmp_path, f"classes={text}\n", smallest="\n".join(lines) + "\n").classes == names


@pytest.mark.parametrize(
    "text, why",
    [
        ("a;b", "a semicolon inside a name; commas separate names"),
        ('"a;b",c', "a semicolon inside a name"),
        ('a"b,c', 'a quote (") inside a name'),
        ('a "b",c', 'a quote (") inside a name'),
    ],
)
def test_a_class_has_no_quote_and_no_semicolon_in_it(tmp_path, text, why):
    lines = [line for line in SMALLEST.splitlines() if not line.startswith("classes")]
    said = message(tmp_path, f"classes={text}\n", smallest="\n".join(lines) + "\n")
    assert f"({why}" in said


def test_ideal_class_balance_may_miss_one_by_a_hundredth(tmp_path):
    assert config(tmp_path, "ideal_class_balance=0.33,0.33,0.33").ideal_class_balance == (
        0.33,
        0.33,
        0.33,
    )


def test_an_unknown_key_is_named_with_the_nearest_known_one(tmp_path, capsys):
    config(tmp_path, "min_confidense=0.3\nwholly_other=1\nnot a setting\n")
    assert capsys.readouterr().err.replace(f"{tmp_path}/", "").splitlines() == [
        "config.ini, line 6: not a key=value line, ignored",
        "config.ini, line 4: unknown key min_confidense, ignored; did you mean min_confidence?",
        (
            "config.ini, line 5: unknown key wholly_other, ignored; config_description.md lists the"
            " keys"
        ),
    ]


def test_a_new_config_chooses_by_hybrid_and_one_without_the_keys_as_the_earlier_generation_did(
    tmp_path,
):
    def chosen(read):
        return (
            read.selection_strategy,
            read.random_share,
            read.max_per_burst,
            read.prelabel_confidence,
            read.min_confidence,
        )

    new, _ = read_config(Path(__file__).resolve().parents[1] / "config.ini", {})
    assert chosen(new) == ("hybrid", 0.1, 2, "auto", 0.05)
    assert chosen(config(tmp_path, "min_confidence=0.3")) == ("lowest_box", 0, None, 0.3, 0.3)


@pytest.mark.parametrize(
    "name, ours",
    [
        ("faster_rcnn_resnet50_coco_2018_01_28", "faster_rcnn_resnet50_fpn"),
        ("faster_rcnn_resnet101_v1_640x640_coco17_tpu-8", "faster_rcnn_resnet101_fpn"),
        ("faster_rcnn_inception_v2_coco_2018_01_28", "faster_rcnn_resnet50_fpn"),
        ("faster_rcnn_mobilenet_v2_fpn", "faster_rcnn_mobilenet_v2_fpn"),
    ],
)
def test_model_names_of_the_zoo_mean_ours(tmp_path, name, ours):
    assert config(tmp_path, f"model_name={name}").model_name == ours


def test_a_checkpoint_of_ones_own_is_kept(tmp_path):
    (tmp_path / "data" / "downloads").mkdir(parents=True)
    (tmp_path / "data" / "downloads" / "model.ckpt.index").write_bytes(b"")
    assert config(
        tmp_path, "fine_tune_checkpoint=data/downloads/model.ckpt"
    ).fine_tune_checkpoint.endswith("downloads/model.ckpt")
    assert config(tmp_path, "fine_tune_checkpoint=elsewhere/ckpt-5").fine_tune_checkpoint == str(
        tmp_path / "elsewhere" / "ckpt-5"
    )
    assert config(tmp_path, "fine_tune_checkpoint=scratch").fine_tune_checkpoint == "scratch"
    mine = config(
        tmp_path,
        "tf_url=http://host/mine.tar.gz\nfine_tune_checkpoint=data/downloads/mine/model.ckpt",
    )
    assert (mine.tf_url, mine.fine_tune_checkpoint is None) == ("http://host/mine.tar.gz", False)


KEY = "Zm9yLXRlc3RzLW9ubHk="


def test_secrets_of_the_environment_win_over_the_file(tmp_path):
    file = "AZURE_STORAGE_ACCOUNT=mine\nAZURE_STORAGE_KEY=old\n"
    assert config(tmp_path, file, {"AZURE_STORAGE_KEY": KEY}).azure_storage_key == KEY
    assert (
        config(tmp_path, file, {"AZURE_STORAGE_ACCOUNT": "yours"}).azure_storage_account == "yours"
    )
    both = config(
        tmp_path,
        file,
        {"AZURE_STORAGE_SAS_TOKEN": "?sv=1", "AZURE_STORAGE_SAS_TOKEN_LABELS": "sv=2"},
    )
    assert (both.sas_token_images, both.sas_token_labels) == ("sv=1", "sv=2")
    filled = config(
        tmp_path,
        "AZURE_STORAGE_ACCOUNT=<STORAGE ACCOUNT NAME>",
        {"AZURE_STORAGE_CONNECTION_STRING": f"AccountName=mine;AccountKey={KEY}"},
    )
    assert filled.azure_storage_account == "mine"


def test_a_connection_string_of_another_account_is_an_error(tmp_path):
    said = message(
        tmp_path,
        "AZURE_STORAGE_ACCOUNT=mine",
        {"AZURE_STORAGE_CONNECTION_STRING": f"AccountName=yours;AccountKey={KEY}"},
    )
    assert (
        said == "config.ini: AZURE_STORAGE_ACCOUNT=mine, but AZURE_STORAGE_CONNECTION_STRING of the"
        " environment is of the account yours; unset the one that is wrong"
    )


def test_no_secret_comes_out(tmp_path, capsys):
    text = (
        f"AZURE_STORAGE_ACCOUNT=mine\nAZURE_STORAGE_KEY={KEY}\nstorage_url=https://mine.blob.core.windows.net/?sv=1&sig=SIGNED\n"
        "tf_url=https://user:pass@host/a.tar.gz?sig=SIGNED\n"
    )
    read = config(
        tmp_path, text, {"AZURE_STORAGE_CONNECTION_STRING": f"AccountName=mine;AccountKey=X{KEY}"}
    )
    assert (read.storage_url, read.sas_token_images) == (
        "https://mine.blob.core.windows.net",
        "sv=1&sig=SIGNED",
    )
    for shown in (
        read.public_text(),
        repr(dataclasses.replace(read, tf_url="")),
        capsys.readouterr().err,
    ):
        assert KEY not in shown
        assert "SIGNED" not in shown
        assert "pass" not in shown
    assert "SIGNED" not in message(tmp_path, "storage_url=ftp://x/?sig=SIGNED")


@pytest.mark.parametrize(
    "line",
    [
        "AZURE_STORAGE_ACCOUNT=DefaultEndpointsProtocol=https;AccountName=mine;AccountKey=SECRET;EndpointSuffix=core.windows.net",
        "storage_url=DefaultEndpointsProtocol=https;AccountName=mine;AccountKey=SECRET",
        "tagger_name=x;accountkey=SECRET",
        "image_container_name=https://mine.blob.core.windows.net/images?sv=1&sig=SECRET",
        "label_container_name=labels?sig=SECRET",
        "AZURE_STORAGE_ACCOUNT=https://mine.blob.core.windows.net/?sig=SECRET",
    ],
)
def test_a_key_in_a_value_that_is_shown_is_one_line_without_it(tmp_path, line):
    said = message(tmp_path, line)
    assert (
        said.startswith(f"config.ini: {line.split('=')[0]}=(not shown) has a key in it")
        and "SECRET" not in said
    )
    if line.startswith("AZURE"):
        said = message(tmp_path, "", {"AZURE_STORAGE_ACCOUNT": line.partition("=")[2]})
        assert (
            said.startswith("AZURE_STORAGE_ACCOUNT=(not shown) of the environment has a key in it")
            and "SECRET" not in said
        )


def test_what_counts_only_in_the_environment_is_said_where_it_stands_in_the_file(tmp_path, capsys):
    config(
        tmp_path,
        "AZURE_STORAGE_CONNECTION_STRING=AccountName=a;AccountKey=SECRET\nAZURE_STORAGE_SAS_TOKEN=sig=SECRET\n",
    )
    said = capsys.readouterr().err
    assert said.count("ignored; it counts only in the environment") == 2 and "SECRET" not in said


def test_a_connection_string_with_no_address_in_it_is_an_error(tmp_path):
    for endpoint in ("http://[bad", "x", "https://", "http://h:0"):
        said = message(
            tmp_path,
            "",
            {
                "AZURE_STORAGE_CONNECTION_STRING": (
                    f"AccountName=a;AccountKey={KEY};BlobEndpoint={endpoint}"
                )
            },
        )
        assert (
            said.startswith(
                "AZURE_STORAGE_CONNECTION_STRING: its BlobEndpoint is no http(s) address"
            )
            and KEY not in said
        )


SPECIAL = st.sampled_from(
    [
        "${data_dir}",
        "$x",
        "${x%.*}",
        "${x##*/}",
        "http://",
        "[",
        "]",
        "@",
        "?sig=",
        "'",
        '"',
        "#",
        "\n",
        "=",
        ",",
        "~",
        "..",
        "/",
        "\\",
        "C:\\",
        "NULL",
        "none",
        "<x>",
        "1e999",
        "-1",
        "9" * 5000,
        "\0",
        "\ufeff",
        "é",
        "\u2028",
    ]
)
VALUE = st.lists(SPECIAL | st.text(max_size=6), max_size=5).map("".join)
LINE = st.builds(
    "{}={}".format, st.sampled_from([spec.name for spec in KEYS.values()]), VALUE
) | st.text(max_size=30)


@settings(
    max_examples=150,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(
    st.lists(LINE, max_size=8).map("\n".join),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    st.booleans(),
)
def test_any_text_is_a_config_or_one_line(tmp_path, text, encoding, complete):
    path = tmp_path / "config.ini"
    path.write_bytes(((SMALLEST if complete else "") + text).encode(encoding, "ignore"))
    try:
        read, notices = read_config(path, {"HOME": str(tmp_path)})
    except InputError as error:
        assert len(" ".join(str(error).split()).splitlines()) == 1
        return
    path.write_text(read.public_text(), encoding="utf-8")
    assert datetime.now(UTC) - timedelta(hours=read.reservation_hours) and all(
        "\n" not in notice for notice in notices
    )


def test_the_published_text_reads_back_as_the_same_settings(tmp_path):
    read = config(
        tmp_path,
        "ideal_class_balance=.6,.3,.1\nseed=7\ntagger_name='a #"
        " $b'\nmax_tags_per_pixel=2\nlearning_rate=0.00123456\n",
    )
    (tmp_path / "published.ini").write_text(read.public_text())
    again = load_config(tmp_path / "published.ini", {})
    assert dataclasses.replace(again, path=read.path, written={}) == dataclasses.replace(
        read, written={}
    )


def test_notices_are_not_repeated_by_the_later_steps_of_a_run(tmp_path, capsys):
    config(tmp_path, "num_classes=2", {"ACTIVE_LEARNING_NOTICES_SHOWN": "1"})
    assert capsys.readouterr().err == ""
