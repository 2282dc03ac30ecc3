"""How many images a model is given at once. Loads at once, for the programs' command lines."""

BATCH_SIZE = 8
