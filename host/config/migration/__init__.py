"""Configurations of other gateways made Sluiceway's: what can be carried over is, what cannot is told."""
