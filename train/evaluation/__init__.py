"""How good a model is: average precision, how sure that is, what the random share says.

May import utils.
Others take measure, average_precision and compare.
"""
