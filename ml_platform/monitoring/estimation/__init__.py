"""Estimated performance: what the metrics of a window are likely to be, before its labels are known (S48).

What computes from given scores belongs here; it is pure, and a window is a sketch that can be summed. What reads
scores and labels of a lake belongs to `experiments`. No estimate here can see concept drift.
"""
