"""An app as somebody else would write it: it knows Flower and numpy, and nothing of Potluck."""
