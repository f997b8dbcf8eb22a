"""From documents to what training reads: a tokenizer, packed tokens, windows, fill-in-the-middle, batches."""
