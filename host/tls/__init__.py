"""TLS: certificates by name, contexts of Python's ssl, and the ClientHello, read without taking it off the socket.

It must not know what the connections carry, nor anything of plugins.
"""
