"""A marketplace with planted refund abuse and honest look-alikes; knows the file contract and no other room."""
