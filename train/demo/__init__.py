"""The demo's photographs, and somebody who reviews them without a mistake.

May import prediction, network, evaluation and utils, neither cycle nor simulation.
Others take pictures and Annotator.
"""
