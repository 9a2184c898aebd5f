"""`make demo`: three friends with three collections of text train one model together, on this PC, for real."""
