"""The `ml-platform` command, one module for each group of subcommands.

Arguments, output and exit codes belong here. What a command shows or changes belongs to `views` and the layers below.
"""
