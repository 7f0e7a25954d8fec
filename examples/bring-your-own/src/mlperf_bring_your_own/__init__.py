"""A backend, a data set and a metric of one's own."""
