"""Send the reviewed images of the batch in tagging_location to the label container."""

import _repo_root  # noqa: F401  I001

from pathlib import Path

from utils.arguments import Parser
from utils.config import load_config
from utils.errors import InputError, run_program
from utils.python_check import quoted
from utils.terminal import say


def main(argv: list[str]) -> int:
    parser = Parser(
        __doc__,
        "example: python upload_vott_json.py ../config.ini\nAn image counts as reviewed when VoTT"
        " stepped past it or its boxes changed; utils/formats/README.md says what other tools have"
        " for it.\nWhich tool wrote a file is found out. A corrected batch may be uploaded again.",
    )
    parser.add_argument("config", help="config.ini")
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="what an annotation tool has exported, where it lies elsewhere than in"
        " tagging_location",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="every image of the batch was looked at, also those on which VoTT left no mark",
    )
    options = parser.parse_args(argv)

    config = load_config(options.config)
    config.need("tagging_location")
    for file in options.files:
        if not file.is_file():
            raise InputError(f"{file}: no such file; name what the annotation tool has exported")

    from utils.batch.uploading import upload

    uploaded = upload(
        config, as_given=quoted(options.config), everything=options.all, files=options.files
    )
    for line in uploaded.lines:
        say(line)
    return 0 if uploaded.useful else 1


if __name__ == "__main__":
    run_program(main)
