"""What a plugin costs that was written for another system and compiled by `sluiceway build`."""
