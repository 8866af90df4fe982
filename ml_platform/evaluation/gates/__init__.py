"""How a candidate is measured by its gates, one module a gate, with what each wants and when its turn is.

What a gate is called and what it is for stands in its word in `spec.gates`; what a candidate is made of, in
`evaluation.candidate`.
"""
