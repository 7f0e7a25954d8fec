"""The implementation cpp: a C++ program that answers LoadGen's queries, and the Python process that prepares them."""
