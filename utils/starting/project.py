"""The project folder that belongs to a folder of photos: where it lies, and its config.ini."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.config import Config, load_config
from utils.config.keys import Reason, class_names, local_path, new_class_names
from utils.config.syntax import expand, parse, quote
from utils.errors import InputError
from utils.files import within, write_text
from utils.labels.adding_classes import add_classes
from utils.labels.store import STATE
from utils.wording import few

CONFIG, LABELS = "config.ini", "labels"
FILETYPE = "*.jpg,*.jpeg,*.png,*.tif,*.tiff,*.bmp,*.gif,*.webp"
_TEXT = """\
# Made by tag/start.py. config_description.md explains every key.
storage_url=.
image_location={photos}
label_container_name={labels}
user_folders=True
filetype={filetype}
classes={classes}

# Reviewing
tagging_location=to_review
annotation_tool=page
selection_strategy=hybrid
random_share=0.1
max_per_burst=2
prelabel_confidence=auto

# Training
keep_images=labelled
train_iterations=auto
fine_tuning=gentle
balance_empty=True
add_zoom=True
min_confidence=.05
"""
_LITTER = {".ds_store", "thumbs.db", "desktop.ini"}  # of file managers


@dataclass(frozen=True)
class Project:
    """A project folder, and the photos that it is for; both absolute."""

    photos: Path
    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / CONFIG

    @property
    def is_there(self) -> bool:
        return self.config.exists()


def project_for(photos: Path, folder: Path | None) -> Project:
    """The project of these photos: in `folder`, or beside them. Nothing is made yet.

    Raises InputError when there is no such folder of photos, one would lie in the other, or the
    photos lie where a project keeps its own things.
    """
    photos = Path(os.path.abspath(os.path.expanduser(photos)))
    if not photos.is_dir():
        what = "it is a file" if photos.exists() else "there is no such folder"
        raise InputError(f"{photos}: {what}; expected the folder in which your photos lie")
    _check_photos(photos)

    if folder is None:
        folder = beside(photos)
    folder = Path(os.path.abspath(os.path.expanduser(folder)))
    if within(folder, photos) or within(photos, folder):
        raise InputError(
            f"{folder}: the project and the photos in {photos} would lie in one another; say where"
            " else the project is to be, with --project FOLDER"
        )
    return Project(photos, folder)


def beside(photos: Path) -> Path:
    """Where the project of these photos lies, unless a person wants it elsewhere."""
    return photos.parent / f"{photos.name or 'photos'}-project"


def _check_photos(photos: Path) -> None:
    """Raises InputError when this folder is one of ours."""
    if (photos / CONFIG).exists() and (photos / LABELS / STATE).exists():
        raise InputError(
            f"{photos}: that is a project; give the folder of its photos, which image_location in"
            f" {photos / CONFIG} names"
        )
    for place in (photos, *photos.parents):
        for mark, what in ((STATE, "labels"), ("batch.json", "photos that are being reviewed")):
            if (place / mark).exists():
                raise InputError(
                    f"{photos}: a project keeps its {what} in {place}; name a folder of your own"
                    " photos"
                )


def checked_classes(text: str) -> tuple[str, ...]:
    """The classes that a person names, separated by commas. Raises InputError."""
    try:
        return new_class_names(text, Path())
    except Reason as error:
        raise InputError(f"--classes {text}: {error}; expected names such as deer,fox") from None


def make(project: Project, classes: Sequence[str]) -> Config:
    """Make the project folder. Raises InputError when other things lie there, or it cannot be
    made.
    """
    folder, text = project.folder, _text(project, classes)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = [path.name for path in folder.iterdir() if path.name.lower() not in _LITTER]
        if others := sorted(set(others) - {LABELS}):
            raise InputError(
                f"{folder}: other files lie there ({few(others)}), and no project; name a folder of"
                " its own with --project FOLDER"
            )
        (folder / LABELS).mkdir(exist_ok=True)
        write_text(project.config, text)
    except OSError as error:
        raise InputError(
            f"{folder}: the project cannot be made there ({error.strerror}); say where else, with"
            " --project FOLDER"
        ) from None
    return load_config(project.config)


def open_present(project: Project, classes: Sequence[str]) -> tuple[Config, list[str]]:
    """The project that is there already, and lines for people. New `classes` are added to it.

    Raises InputError when it is of other photos, or has classes that are not among these.
    """
    config = load_config(project.config)
    location = config.image_location
    if location is None or not _same(location, project.photos):
        where = location or f"image_container_name={config.image_container_name}"
        raise InputError(
            f"{project.folder}: the project there is for the photos in {where}, not for those in"
            f" {project.photos}; name another folder with --project FOLDER, or if the photos were"
            f" moved, write image_location={project.photos} into {project.config}"
        )
    config.need("tagging_location")
    if missing := [name for name in config.classes if classes and name not in classes]:
        raise InputError(
            f"{project.config}: classes={','.join(config.classes)}, and --classes leaves out"
            f" {', '.join(missing)}; leave --classes away to go on, or drop a class with python"
            " tag/change_classes.py CONFIG --drop NAME"
        )
    new = [name for name in classes if name not in config.classes]
    if not new:
        return config, []
    return add_classes(config, new), [f"new in classes of {project.config}: {', '.join(new)}"]


def _text(project: Project, classes: Sequence[str]) -> str:
    """What config.ini says. Raises InputError when a config file cannot carry it."""
    photos = str(project.photos)
    if project.photos.parent == project.folder.parent:
        photos = f"../{project.photos.name}"  # both may be moved together
    text = _TEXT.format(
        photos=quote(photos), labels=LABELS, filetype=FILETYPE, classes=quote(",".join(classes))
    )
    config = Path(os.path.realpath(project.folder)) / CONFIG
    entries, _ = parse(text, config)
    for name, read, wanted in (
        ("image_location", lambda text: _same(local_path(text, config), project.photos), True),
        ("classes", lambda text: class_names(text, config), tuple(classes)),
    ):
        if read(expand(name, entries, {}).strip()) != wanted:
            raise InputError(
                f"{photos} or {','.join(classes)}: config.ini cannot carry such a name; give the"
                " folder or the class another one"
            )
    return text


def _same(one: Path, other: Path) -> bool:
    """Whether both lead to the same folder."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
