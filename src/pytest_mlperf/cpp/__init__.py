"""The implementations in C++: a program that answers LoadGen's queries, and the Python process that prepares them."""
