"""What is put into a loaded model: LoRAs and textual inversions."""
