"""When to train again: the policy, its evidence and the decision.

Pure code that can be replayed over history belongs here. Code that reads the evidence from the lake belongs to `steps`.
"""
