"""Benchmarks: the hub beside what people would use instead, in one run on one machine.

`make bench`, or `python -m benchmarks`.
"""
