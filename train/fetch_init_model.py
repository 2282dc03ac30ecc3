"""Fetches the pretrained model of the cold start (init_model_name from init_pred_tf_url) once, and
unpacks it.
"""

import _repo_root  # noqa: F401

# isort: split

from pathlib import Path

from utils.arguments import Parser
from utils.config import load_config
from utils.errors import run_program
from utils.terminal import say


def main(argv: list[str]) -> None:
    parser = Parser(__doc__, "example: python train/fetch_init_model.py config.ini")
    parser.add_argument("config", type=Path, help="config.ini")
    config = load_config(parser.parse_args(argv).config)

    from train.prediction.init_model import init_model

    say(f"pretrained model → {init_model(config)}")


if __name__ == "__main__":
    run_program(main)
