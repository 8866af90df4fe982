"""Plots of what was computed: functions of values that give SVG or Markdown.

No input or output belongs here.
"""
