"""What an exported model finds in many images: in batches, kept in a journal.

May import network, evaluation and utils.
Others take predict_images, FrozenDetector and PredictionJournal.
"""
