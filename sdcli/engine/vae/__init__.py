"""Between latents and pictures."""
