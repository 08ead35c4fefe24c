"""How the model that ships inside the command line was made: scenes, training and export."""
