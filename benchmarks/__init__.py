"""What sdcli claims, as commands that print a table beside the peer it is claimed against."""
