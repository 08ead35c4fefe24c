"""One command, one table: what a user feels, beside diffusers' pipeline."""
