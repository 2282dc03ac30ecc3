"""The demo's photographs, somebody who reviews them without a mistake, and a picture of the end.

May import prediction, network, evaluation and utils, neither cycle nor simulation.
Others take pictures, Annotator and beside_truth.
"""
