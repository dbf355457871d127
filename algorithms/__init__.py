"""Trainers: iterators of metrics that know no scheduler, tracker, plot or command line."""
