"""What every step works with: the workspace, what it reads, what it shows, and its progress.

What all steps share belongs here. What one step does belongs to `steps`.
"""
