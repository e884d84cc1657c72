"""Sluiceway, a proxy-wasm host: the public names, and nothing else."""
