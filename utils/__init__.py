"""The library shared by the programs of train/ and tag/. It imports neither of them."""
