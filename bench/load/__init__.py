"""CPU time per request of Sluiceway and its peers, side by side: `python -m bench.load --help`."""
