"""Which images come next: what each is worth, and which of them make a batch.

May import effort, boxes, config, labels and what labels may import.
Others take select, make_context and context_of_state, and the published embeddings.
"""
