"""Send the reviewed images of the batch in tagging_location to the label container."""

import _repo_root  # noqa: F401  I001

from utils.arguments import Parser
from utils.config import load_config
from utils.errors import run_program


def main(argv: list[str]) -> int:
    parser = Parser(
        __doc__,
        "example: python upload_vott_json.py ../config.ini\nAn image counts as reviewed when VoTT"
        " stepped past it or its boxes changed. A corrected batch may be uploaded again.",
    )
    parser.add_argument("config", help="config.ini")
    parser.add_argument(
        "--all",
        action="store_true",
        help="every image of the batch was looked at, also those on which VoTT left no mark",
    )
    options = parser.parse_args(argv)

    config = load_config(options.config)
    config.need("tagging_location")

    from utils.batch.uploading import upload

    uploaded = upload(config, as_given=options.config, everything=options.all)
    for line in uploaded.lines:
        print(line)
    return 0 if uploaded.useful else 1


if __name__ == "__main__":
    run_program(main)
