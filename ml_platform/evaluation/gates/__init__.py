"""How gates measure a candidate: one module a gate, with its evidence and its turn.

What a gate is called and what it is for stands in its word in `spec.gates`; what a candidate is made of, in
`evaluation.candidate`.
"""
