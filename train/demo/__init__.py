"""The demo's photographs, somebody who reviews them without a mistake, and a picture of the end.

May import every other room of train, and utils.
Others take Demo, pictures, Annotator and beside_truth.
"""
