"""HTTP/2 and TLS libraries side by side: see __main__.py."""
