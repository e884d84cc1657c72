"""Kong's plugin development kit: what a plugin may ask for while it handles an event, one namespace a module.

Each method is a function of the event and of the arguments that the plugin gave; its phases are Kong's. They read and
change what every other kind of filter does. They must not know how a plugin's calls come in.

https://docs.konghq.com/gateway/latest/plugin-development/pdk/
"""
