"""One cycle of training: its files and their names, its model, when the next is due.

May import prediction, network, evaluation and utils, neither simulation nor demo.
Others take read_cycle, update_cycle, model_of_cycle and backlog.
"""
