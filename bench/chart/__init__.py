"""One response field set by every kind of plugin, side by side: see __main__.py."""
