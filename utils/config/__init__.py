"""config.ini as one frozen, typed object: the file and the environment read, checked, completed.

May import utils.errors and utils.reserved, and nothing that takes long to load.
Others take Config, load_config and read_config, and of its keys AUTO, KEYS and QUIET.
"""

from utils.config.keys import AUTO
from utils.config.reading import QUIET, load_config, read_config
from utils.config.settings import KEYS, Config

__all__ = ["AUTO", "KEYS", "QUIET", "Config", "load_config", "read_config"]
