"""Crash points: the process is stopped dead at each named point between append and settled delivery, and restarted.

points.py    the points, in the order in which an event passes them, and the writer that has some of them
child.py     the process that is stopped: real writer thread, real disk, real sockets to the platforms
"""
