"""`make pictures`: takes pictures of every surface in every state, light and dark, on a phone and on two screens.

A story plays the real bot in a sandbox, and yields a name whenever there is something to see: for a new surface, add
one such line. If a story breaks off, it says where, and the others continue.
"""
