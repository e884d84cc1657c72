"""Shadow mode: a plugin and the one that is to follow it see the same requests; one counts, both are compared.

The other one works on an exchange of its own that leads nowhere, made of copies of what the first one gets. It must not
know what kinds of plugin these are, nor how they are configured.
"""
