"""What all steps share: the workspace, the Step protocol, the planner, settled partitions and progress.

What all steps share belongs here. What one step does belongs to `steps`.
"""
