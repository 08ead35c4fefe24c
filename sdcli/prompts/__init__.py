"""What a prompt's text means, as pure functions: no tokenizer, no torch."""
