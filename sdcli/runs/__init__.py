"""The application: from what was asked for to finished pictures, without a terminal."""
