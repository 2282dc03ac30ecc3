"""Labelling projects played through on labelled data: what is a strategy worth?

May import prediction, network, evaluation and utils, neither cycle nor demo.
Others take play and Schedule.
"""
