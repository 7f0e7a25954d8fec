"""The usual causes, one module a task: symptoms that are a cause themselves, and faults that can be corrected.

To add one, write a function and name it in its module's list.
"""
